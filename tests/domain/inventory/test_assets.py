"""Templates as in azureml-assets: files beside an environment's YAML fill it in."""

import pytest

from tests.domain.repositories import edited, plan_of, sole, used

SPEC = """\
$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
name: "{{asset.name}}"
version: "{{asset.version}}"
build:
  path: "{{image.context.path}}"
  dockerfile_path: "{{image.dockerfile.path}}"
"""
ASSET = "name: acpt\nversion: 12  # ours\ntype: environment\nspec: spec.yaml\n"
IMAGE = "image:\n  name: acpt\n  context:\n    dir: docker\n    dockerfile: Dockerfile.gpu\n"
CONTEXT = {
    "a/spec.yaml": SPEC,
    "a/docker/Dockerfile": "FROM x\nRUN pip install our-pkg==0.9\n",
    "a/docker/Dockerfile.gpu": "FROM x\nRUN pip install our-pkg==1.0\n",
}


def test_the_build_context_is_where_the_file_beside_it_says() -> None:
    found = sole(CONTEXT | {"a/environment.yaml": IMAGE})

    assert (found.context, found.dockerfile, used(found)) == ("a/docker", "a/docker/Dockerfile.gpu", [found.dockerfile])


def test_without_that_file_the_nearest_dockerfile_says() -> None:
    assert sole(CONTEXT).dockerfile == "a/docker/Dockerfile"


@pytest.mark.parametrize("wrong", ["- [", "image: x\n", "image: {context: {}}\n", "image: {context: {dir: ../../x}}\n"])
def test_a_file_that_says_something_else_is_passed_over(wrong: str) -> None:
    assert sole(CONTEXT | {"a/environment.yaml": wrong}).context == "a/docker"


@pytest.mark.parametrize(
    ("asset", "after"),
    [
        (ASSET, ASSET.replace("12", "13")),
        (ASSET.replace("12", '"1.9"'), ASSET.replace("12", '"1.10"')),
        (ASSET.replace("12", "auto"), None),
        ("- [", None),
        ("version: {{x}}\n", None),
    ],
)
def test_a_version_that_fills_in_a_template_rises_with_the_content(asset: str, after: str | None) -> None:
    files = CONTEXT | {"a/environment.yaml": IMAGE, "a/asset.yaml": asset}
    plan = plan_of(files, "our-pkg 2", pipeline=False)

    assert edited(files, plan)["a/asset.yaml"].decode() == (after or asset)
    assert edited(files, plan)["a/docker/Dockerfile.gpu"] == b"FROM x\nRUN pip install our-pkg==2\n"


def test_templates_without_quotes_are_templates_too() -> None:
    spec = SPEC.replace('"{{', "{{").replace('}}"', "}}")
    found = sole(CONTEXT | {"a/spec.yaml": spec, "a/environment.yaml": IMAGE})

    assert (found.name, found.dockerfile) == ("{{asset.name}}", "a/docker/Dockerfile.gpu")


def test_environments_whose_names_are_filled_in_do_not_share_a_name() -> None:
    files = CONTEXT | {path.replace("a/", "b/", 1): text for path, text in CONTEXT.items()}

    assert len(plan_of(files, "our-pkg 2", pipeline=False).environments) == 2


def test_environments_without_a_name_do_not_share_one() -> None:
    text = "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nimage: x\nconda_file: c.yml\n"
    files = {"a.yml": text, "b.yml": text, "c.yml": "dependencies: [{pip: [our-pkg==1.0]}]\n"}
    plan = plan_of(files, "our-pkg 2", pipeline=False)

    assert [environment.path for environment in plan.environments] == ["a.yml", "b.yml"]
