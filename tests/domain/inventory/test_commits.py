"""From one commit to the next: what a catalog says never depends on the commits before, and what it costs does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.inventory.catalog import Catalog, Shelf
from tests.domain.repositories import DOCKERFILE, LINKS, Files, environment, listing_of, scanned

_DOCKERFILES = (
    DOCKERFILE,
    "FROM x\nCOPY . .\nRUN pip install -r requirements.txt && pip install .\n",
    "FROM x\nRUN pip install -r /lists/more.txt our-pkg==1.0\n",
    "FROM x\nCOPY run.sh .\nRUN bash run.sh\n",
    "\0",
)
_LISTS = ("our-pkg==1.0\n", "-r base.txt\nother==2\n", "-c ../lists/more.txt\n./lib\n", "# pip-compile\n", "\0 our-pkg")
_TEMPLATE = "$schema: environment.schema.json\nname: c\nversion: '{{v}}'\nbuild: {path: '{{c}}'}\n"
_YAML = (
    environment("a"),
    environment("a", build="../b"),
    environment("b", build="."),
    _TEMPLATE,
    "name: d\nimage: x:py310\nconda_file: conda.yml\n",
    "name: e\nimage: x\nconda_file: {dependencies: [python=3.9, {pip: [our-pkg==1.0, -r requirements.txt]}]}\n",
    "name: [\nimage: x\n",
    "jobs: {one: {environment: {image: x, conda_file: conda.yml}}}\nother: azureml:a:1\n",
)
_CONDA = ("dependencies: [our-channel=1, {pip: [our-pkg==1.0]}]\n", "dependencies: [{pip: [./lib]}]\n", "{")
_PYTHON = (
    "from azure.ai.ml.entities import Environment\nEnvironment(name='x', image='y', conda_file='conda.yml')\n",
    "import os\n",
)

# Few paths, so that files come, go and change under environments that look at them.
_CONTENTS: dict[str, tuple[str, ...]] = {
    "environment.yml": _YAML,
    "job.yml": _YAML,
    "conda.yml": _CONDA,
    "asset.yaml": ("version: 3\n", "version: auto\n", "["),
    "Dockerfile": _DOCKERFILES,
    "dockerfile": _DOCKERFILES,
    "requirements.txt": _LISTS,
    "base.txt": _LISTS,
    "more.txt": _LISTS,
    "run.sh": ("pip install -r base.txt\n", "true\n"),
    "lib/pyproject.toml": ("[project]\nname='x'\ndependencies=['our-pkg==1.0']\n", "["),
    "train.py": _PYTHON,
    "Chart.yaml": ("name: chart\n",),
}
_FOLDERS = ("", "a/", "b/", "lists/", "a/templates/")


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, str | None]:
    """A file, and what it holds after a commit: None if it is gone."""
    if draw(st.integers(0, 9)) == 0:
        return LINKS, draw(st.sampled_from((None, "b/requirements.txt: a symbolic link\n", "lists: a submodule\n")))
    name = draw(st.sampled_from(tuple(_CONTENTS)))
    return draw(st.sampled_from(_FOLDERS)) + name, draw(st.sampled_from((None, *_CONTENTS[name])))


_COMMITS = st.lists(st.lists(changes(), min_size=1, max_size=12), min_size=2, max_size=5)


def said(catalog: Catalog) -> object:
    """Everything that a catalog says, as values."""
    inline = [
        replace(found, definitions={path: one.source.text for path, one in found.definitions.items()})  # type: ignore[misc]
        for found in catalog.surroundings.inline
    ]
    definitions = {
        path: (one.source.text, one.words, one.includes, one.requirements, one.unreadable)
        for path, one in catalog.definitions.items()
    }
    return replace(
        catalog,
        definitions=definitions,  # type: ignore[arg-type]
        surroundings=replace(catalog.surroundings, inline=tuple(inline)),
    )


@given(_COMMITS, st.booleans())
def test_what_a_commit_holds_does_not_depend_on_the_commits_before(
    commits: list[list[tuple[str, str | None]]], trimmed: bool
) -> None:
    shelf = Shelf()
    files: dict[str, str] = {}
    for changed in commits:
        for path, content in changed:
            files.pop(path, None)
            if content is not None:
                files[path] = content
        catalog, _ = scanned(files, shelf)

        assert said(catalog) == said(scanned(files)[0])
        if trimmed:
            shelf.trim(listing_of(files), catalog.blobs.values())


def many(number: int) -> dict[str, str]:
    """Environments that share nothing but one list."""
    files = {"shared.txt": "our-pkg==1.0\n"}
    for at in range(number):
        files[f"e{at:03}/environment.yml"] = environment(f"e{at}")
        files[f"e{at:03}/Dockerfile"] = DOCKERFILE
        files[f"e{at:03}/requirements.txt"] = f"other=={at}\n" + ("-r ../shared.txt\n" if at % 10 == 0 else "")
        files[f"e{at:03}/job.yml"] = "environment: {image: x, conda_file: conda.yml}\n"
        files[f"e{at:03}/conda.yml"] = f"dependencies: [{{pip: [other=={at}]}}]\n"
    return files


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        ({"README.md": "# ours\n"}, 0),
        ({"e001/requirements.txt": "our-pkg==2.0\n"}, 1),
        ({"e001/notes.txt": "what its context holds\n"}, 1),
        ({"e001/conda.yml": "dependencies: []\n"}, 1),
        ({"shared.txt": "our-pkg==1.1\n"}, 4),
        ({"new/environment.yml": environment("new")}, 1),
    ],
    ids=["a page", "a list", "a new file", "what a job reads", "a shared list", "a new environment"],
)
def test_a_commit_costs_the_environments_that_it_changes(changes: Files, anew: int) -> None:
    """The registered ones and the inline ones: each is worked out anew if something changed that it was seen from."""
    files, shelf = many(40), Shelf()
    scanned(files, shelf)
    before = {id(survey) for survey in shelf.surveys.values()}
    held = list(shelf.surveys.values())
    scanned({**files, **changes}, shelf)

    assert len(held) == 80
    assert len([survey for survey in shelf.surveys.values() if id(survey) not in before]) == anew
