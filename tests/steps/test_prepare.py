import pytest
import yaml

from shared.steps.job_state import StepFailed, Work, context_folder, yaml_file
from shared.steps.prepare import prepare
from tests.steps.conftest import DOCKERFILE, PYTHON, Checkout


def staged(checkout: Checkout) -> list[str]:
    context = context_folder(checkout.job)
    return sorted(path.relative_to(context).as_posix() for path in context.rglob("*") if path.is_file())


def test_the_context_is_staged_beside_the_checkout(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.write({"training/context/src/code.py": b"x = 1\n", "training/context/pip_packages/old.whl": b"left over"})
    before = sorted(checkout.job.sources.rglob("*"))

    work = prepare(checkout.job)

    assert staged(checkout) == [".amlignore", "Dockerfile", "requirements.txt", "src/code.py"]
    assert sorted(checkout.job.sources.rglob("*")) == before
    assert (work.name, work.python, work.requirements) == ("training", PYTHON, ["requirements.txt"])
    assert work.private == ["our-package"]
    assert Work.load(checkout.job) == work
    assert f"##vso[task.setvariable variable=targetPython]{PYTHON}" in capsys.readouterr().out
    assert yaml.safe_load(yaml_file(checkout.job).read_text())["build"] == {
        "path": "context",
        "dockerfile_path": "Dockerfile",
    }


def test_who_names_the_environment_and_its_packages_is_found_for_the_summary(checkout: Checkout) -> None:
    checkout.write(
        {
            "jobs/a.yml": b"environment: azureml:training:3\n",
            "jobs/b.yml": b"environment:\n  image: x\n  build: {path: ../training/context}\n",
            "jobs/c.yml": b"environment: {image: x, conda_file: {dependencies: [pip: [others==1]]}}\n",
        }
    )

    prepare(checkout.job)

    found = Work.load(checkout.job).elsewhere
    assert [one.text for one in found.references] == ["azureml:training:3"]
    assert [(pin.path, pin.requirement) for pin in found.inline] == [("jobs/b.yml", "our-package==1.1")]


def test_a_gitignore_keeps_no_wheel_out_of_the_upload(checkout: Checkout) -> None:
    checkout.write({"training/context/.gitignore": b"pip_packages/\n"})

    prepare(checkout.job)

    assert (context_folder(checkout.job) / ".amlignore").read_text() == ""


def test_everything_else_in_the_yaml_stays_and_texts_stay_texts(checkout: Checkout) -> None:
    checkout.write(
        {
            "training/environment.yml": b"name: training\nversion: '1.10'\ndescription: \xc3\xa4 'x'\ntags: {a: '1'}\n"
            b"build: {path: ./context}\n"
        }
    )

    prepare(checkout.job)

    document = yaml.safe_load(yaml_file(checkout.job).read_text())
    assert (document["version"], document["description"], document["tags"]) == ("1.10", "ä 'x'", {"a": "1"})


def test_a_conda_file_becomes_a_build_context(checkout: Checkout) -> None:
    checkout.write(
        {
            "training/environment.yml": b"name: training\nimage: mcr.microsoft.com/x\nconda_file: conda.yml\n",
            "training/conda.yml": b"channels: [conda-forge]\ndependencies:\n  - python>=3.10\n  - pip>=22\n"
            b"  - ffmpeg=6\n  - pip:\n    - --index-url https://elsewhere\n    - our-package==1.1\n    - -r more.txt\n",
            "training/more.txt": b"our-helper>=2  # and more\n",
        }
    )

    work = prepare(checkout.job)

    context = context_folder(checkout.job)
    assert staged(checkout) == [".amlignore", "Dockerfile", "conda.yml", "requirements.txt"]
    assert (context / "requirements.txt").read_text() == "our-package==1.1\nour-helper>=2\n"
    assert yaml.safe_load((context / "conda.yml").read_text()) == {
        "channels": ["conda-forge"],
        "dependencies": [f"python={PYTHON}", "pip>=22", "ffmpeg=6"],
    }
    dockerfile = (context / "Dockerfile").read_text()
    assert "FROM mcr.microsoft.com/x\n" in dockerfile
    assert "pip install --no-index --find-links /rebuilder/pip_packages" in dockerfile
    assert yaml.safe_load(yaml_file(checkout.job).read_text()) == {"name": "training", "build": {"path": "context"}}
    assert work.private == ["our-helper", "our-package"]


def test_an_included_file_inside_the_context_is_read_through_the_one_that_includes_it(checkout: Checkout) -> None:
    checkout.write(
        {
            "training/environment.yml": b"name: training\nbuild: {path: ., dockerfile_path: docker/Dockerfile}\n",
            "training/docker/Dockerfile": DOCKERFILE,
            "training/docker/requirements.txt": b"-r ../common/base.txt\n-c ../common/constraints.txt\n",
            "training/common/base.txt": b"our-package==1.1\n",
            "training/common/constraints.txt": b"our-helper<3\n",
        }
    )
    (checkout.job.sources / "training/context/requirements.txt").unlink()

    work = prepare(checkout.job)

    assert (work.requirements, work.constraints) == (["docker/requirements.txt"], [])
    assert sorted(work.files) == ["common/base.txt", "common/constraints.txt", "docker/requirements.txt"]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"training/environment.yml": b"name: training\nbuild: [\n"}, "cannot read training/environment.yml"),
        ({"training/environment.yml": b"code: 1\n"}, "training/environment.yml is no environment of this commit"),
        ({"training/environment.yml": b"name: training\nbuild: {path: nowhere}\n"},
         "its build context training/nowhere is not in the repository"),
        ({"training/environment.yml": b"name: training\nimage: x\nconda_file: nowhere.yml\n"},
         "its conda file 'nowhere.yml' is not in the repository"),
        ({"training/context/requirements.txt": b"!!!\n"}, "'!!!' is not a requirement"),
        ({"training/context/requirements.txt": b"-r ../outside.txt\n", "training/outside.txt": b"our-package==1.1\n"},
         "training/outside.txt lies outside the build context training/context"),
        ({"rebuilder.yml": b"deliver: push\n"}, "the environment's Python is not known: state it in rebuilder.yml"),
        ({"rebuilder.yml": b"deliver: [\n"}, "rebuilder.yml line 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_rebuilt_fails_here_with_the_cause(
    checkout: Checkout, files: dict[str, bytes], complaint: str
) -> None:
    checkout.write(files)

    with pytest.raises(StepFailed) as caught:
        prepare(checkout.job)

    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("yaml_text", "complaint"),
    [
        (b"name: my env\nbuild: {path: context}\n", "`name` 'my env' is not a name that Azure ML takes"),
        (b"name: AzureML-x\nbuild: {path: context}\n", "`name` begins with AzureML"),
        (b"name: training\nversion: 1.10\nbuild: {path: context}\n", "write it in quotes, or 1.10 becomes 1.1"),
        (b"name: training\nversion: a/b\nbuild: {path: context}\n", "`version` 'a/b' is not a version"),
        (b"name: training\nimage: x\nbuild: {path: context}\n", "`build` goes with neither `image` nor `conda_file`"),
        (b"name: training\nconda_file: c.yml\nbuild: {path: context}\n", "`build` goes with neither"),
        (b"name: training\nbuild: {}\n", "`build` has no `path`"),
        (
            b"$schema: https://x/environment.schema.json\nname: training\n",
            "neither `build` nor `image` nor `conda_file` says what it is made of",
        ),
        (b"name: training\nconda_file: c.yml\n", "`conda_file` needs an `image`"),
        (b"name: training\ntags: {a: 1}\nbuild: {path: context}\n", "`tags` is not a map of texts"),
    ],
)
def test_yaml_that_azure_ml_would_refuse_or_misread_is_refused_before_any_upload(
    checkout: Checkout, yaml_text: bytes, complaint: str
) -> None:
    checkout.write({"training/environment.yml": yaml_text, "training/c.yml": b"dependencies: []\n"})

    with pytest.raises(StepFailed) as caught:
        prepare(checkout.job)

    assert complaint in str(caught.value)


def test_a_dockerfile_that_does_not_use_the_packages_is_warned_of(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.write({"training/context/Dockerfile": b"FROM scratch\nRUN pip install -r requirements.txt\n"})

    prepare(checkout.job)

    assert (
        "##vso[task.logissue type=warning]training/context/Dockerfile: it never uses pip_packages"
        in capsys.readouterr().out
    )


def test_what_is_installed_unseen_is_a_warning_of_the_run(checkout: Checkout) -> None:
    dockerfile = (checkout.job.sources / "training/context/Dockerfile").read_bytes()
    checkout.write({"training/context/Dockerfile": b"FROM x AS base\nRUN pip install -r /opt/base.txt\n" + dockerfile})

    work = prepare(checkout.job)

    where = "training/context/Dockerfile line 2"
    assert f"installed, and not seen before: {where}: pip install -r /opt/base.txt" in work.warnings


def test_what_projects_and_scripts_require_of_the_feed_comes_along_and_is_no_list(checkout: Checkout) -> None:
    project = (
        b'[project]\nname = "app"\ndependencies = ["numpy", "our-package==1.1"]\n'
        b'[project.optional-dependencies]\ndev = ["our-helper==1.0"]\n'
    )
    checkout.write(
        {
            "training/context/Dockerfile": DOCKERFILE + b"COPY . /src\nRUN pip install /src && sh /src/more.sh\n",
            "training/context/pyproject.toml": project,
            "training/context/more.sh": b"pip install our-package==1.1 other\n",
        }
    )

    work = prepare(checkout.job)

    assert (work.requirements, work.own) == (["requirements.txt"], ["our-package==1.1"])
    assert work.files == ["requirements.txt"]
    assert work.private == ["our-package"]
