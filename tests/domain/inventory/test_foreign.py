"""Files of other tools are neither environments nor files that may be one; what may be one still is said."""

import pytest

from shared.domain.inventory.foreign import chart_files, is_foreign
from tests.domain.repositories import ANYTHING_GOES, Files, catalog_of, plan_of

MANIFESTS = {
    "several documents": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\n"
    "spec:\n  containers:\n  - name: a\n    image: b\n",
    "keys in another order": "kind: Pod\nname: a\nimage: b\napiVersion: v1\n",
    "quoted keys": '"apiVersion": v1\n"kind": Pod\nname: a\nimage: [\n',
    "not YAML": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n   image: [\n",
    "a Helm template": "name: {{ .Values.name }}\nimage: {{- if .x }}a{{ end }}\n",
    "a Helm template with a helper": 'name: {{ include "x" . }}\nimage:\n{{- toYaml .y | nindent 2 }}\n',
    "values with the parts of an image": "name: a\nimage:\n  repository: x\n  tag: y\n",
    "values with other keys": "name: a\nimage: x\nreplicaCount: 1\n",
    "Compose": "name: a\nservices:\n  web:\n    image: x\n",
    "Compose that is not YAML": "name: a\nimage: x\nservices:\n  web: [\n",
    "patches": "- name: a\n  image: b\n---\n- name: a\n  image: b\n",
    "documents without an environment": "name: a\n---\nimage: b\n",
    "deeper keys of what is not YAML": "x:\n  name: a\n  image: b\n  y: [\n",
}


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS)
def test_a_file_of_another_tool_is_passed_over(text: str) -> None:
    plan = plan_of({"x.yml": text}, "our-pkg 1")

    assert (catalog_of({"x.yml": text}).environments, plan.warnings, plan.unread) == ((), (), False)


@pytest.mark.parametrize(
    "text",
    [
        "name: a\nimage: [\n",
        "{name: a, image: [}\n",
        "{% if x %}\n  name: a\n  image: b\n{% endif %}\n",
        "name: {{ name }}\nimage: {{ image }}:{{ tag }}\n",
        "name: a\nconda_file: x.yml\n---\nname: b\n",
        "$schema: x/environment.schema.json\nname: {{ .Values.name }} [\nbuild: {\n",
    ],
)
def test_what_may_be_an_environment_is_a_warning(text: str) -> None:
    plan = plan_of({"x.yml": text}, "our-pkg 1")

    assert len(plan.warnings) == 1
    assert plan.unread


@pytest.mark.parametrize("key", ["build: {path: .}", "conda_file: conda.yml"])
def test_keys_that_only_an_environment_has_make_it_one_whatever_else_stands_there(key: str) -> None:
    (found,) = catalog_of({"x.yml": f"name: a\n{key}\nowner: us\n"}).environments

    assert found.name == "a"


def test_templates_and_values_of_a_chart_are_its_own() -> None:
    own = {"c/values.yaml", "c/values-prod.yml", "c/templates/deep/x.yaml", "c/crds/y.yaml", "c/charts/d/values.yaml"}
    others = {
        "c/Chart.yaml",
        "c/env.yml",
        "c/charts/d/Chart.yaml",
        "c/docs/x.yaml",
        "values.yaml",
        "d/templates/x.yaml",
    }

    assert chart_files([*own, *others]) == own
    assert chart_files(["Chart.yaml", "values.yaml", "templates/x.yaml", "e/env.yml"]) == {
        "values.yaml", "templates/x.yaml",
    }  # fmt: skip


def test_a_chart_at_the_root_hides_no_environment() -> None:
    files: Files = {"Chart.yaml": "name: c\n", "values.yaml": "name: a\nimage: b\n", "env.yml": "name: a\nimage: b\n"}

    assert [found.path for found in catalog_of(files).environments] == ["env.yml"]


def test_jinja_is_not_helm() -> None:
    assert not is_foreign("name: {{ name }}\nversion: {{- version -}}\n{% if x %}{% endif %}\n")
    assert not is_foreign("description: apiVersion and kind, services\n  services: x\n")


@pytest.mark.parametrize(
    ("globs", "count"), [("{}", 1), ("{exclude: [old]}", 0), ("{exclude: ['old/*.yml']}", 0), ("{include: [new]}", 0)]
)
def test_what_takes_no_part_is_not_warned_of_and_holds_nothing_up(globs: str, count: int) -> None:
    rules = f"environments: {globs}\n{ANYTHING_GOES}"
    plan = plan_of({"old/x.yml": "name: [\nimage: x\n", "rebuilder.yml": rules}, "our-pkg 1")

    assert (len(plan.warnings), plan.unread) == (count, bool(count))


def test_a_credential_in_a_file_of_excluded_environments_alone_is_not_reported() -> None:
    secret = "-i https://me:secret@host.test/\nour-pkg==1.0\n"
    files = {
        "rebuilder.yml": f"environments: {{exclude: [old]}}\n{ANYTHING_GOES}",
        "old/env.yml": "name: a\nbuild: {path: .}\n",
        "old/Dockerfile": "FROM x\nRUN pip install -r r.txt -r s.txt\n",
        "old/r.txt": secret,
        "old/s.txt": secret,
        "new/env.yml": "name: b\nbuild: {path: ../old, dockerfile_path: ../new/Dockerfile}\n",
        "new/Dockerfile": "FROM x\nRUN pip install -r r.txt\n",
    }

    assert [warning.split(":")[0] for warning in plan_of(files, "x 1").warnings] == ["old/r.txt line 1"]
