"""What `make run` tells of a release, from the app's own answers."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from local.azure_devops.repository import git
from local.story import Story
from tests.services.world import RULES, World, environment


class Answers:
    """As much of a stand as a story asks: the answers of an app on fakes, and a repository for its commits."""

    def __init__(self, world: World, folder: Path) -> None:
        git("init", "--quiet", str(folder), at=folder.parent)
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "x", at=folder)
        self._world = world
        self._head = git("rev-parse", "HEAD", at=folder).decode().strip()
        builds = [
            SimpleNamespace(
                id=run.id,
                definition=SimpleNamespace(id=7, name="rebuild"),
                commit=run.commit,
                parameters=run.parameters,
                timeline=None,
            )
            for run in world.pipeline.runs
        ]
        self.organization = SimpleNamespace(
            pipelines=SimpleNamespace(builds=builds), repository=SimpleNamespace(path=folder)
        )

    def release(self, name: str, version: str, *, everything: bool = False) -> dict[str, Any]:
        answer = self._world.app.status.release(name=name, version=version, everything=everything)
        for target in answer["targets"]:
            if target["rebuild"]:
                target["rebuild"]["commit"] = self._head
        return answer

    def rebuild(self, rebuild: str) -> dict[str, Any]:
        return self._world.app.status.rebuild(rebuild)


def told(world: World, folder: Path) -> str:
    page = io.StringIO()
    folder.mkdir()
    story = Story(Answers(world, folder), Console(file=page, width=200))  # type: ignore[arg-type]
    story.tell("our-package", "1.1")
    return page.getvalue()


def test_each_of_several_runs_is_told_with_its_parameters(tmp_path: Path) -> None:
    names = [f"env{number:03}" for number in range(51)]
    files = {path: raw for name in names for path, raw in environment(name, b"our-package==1.0\n").items()}
    world = World({"rebuilder.yml": RULES, **files})
    world.publish()
    world.work()
    assert len(world.pipeline.runs) == 2

    page = told(world, tmp_path / "repository")

    for run in world.pipeline.runs:
        assert f"queued run {run.id}" in page
    assert "env050/environment.yml" in page


def test_a_failure_that_is_tried_again_is_told_with_its_second_run(tmp_path: Path) -> None:
    world = World()
    world.publish()
    world.work()
    world.finish(failing={"training/environment.yml": "the disk is full"})
    world.finish()

    page = told(world, tmp_path / "repository")

    assert "attempt 1 failed and is tried again: the disk is full" in page
    assert "queued run 2" in page
    assert "training: registered" in page
