"""The edits of a plan reach the branch in one commit, once, whoever else commits there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.planning.commit_message import commit_message
from shared.domain.states import RebuildState
from shared.errors import AccessDenied, BranchMoved, Permanent, ServiceUnavailable
from shared.limits import COMMITS_PER_REQUEST, PLANS_PER_MESSAGE
from tests.domain.repositories import DOCKERFILE, plan_of
from tests.domain.repositories import environment as environment_yaml
from tests.services.world import World, environment


def test_the_commit_names_what_it_does_and_can_be_found_again() -> None:
    world = World()
    world.publish()
    world.work()

    message = world.repository.history()[0].message

    assert message.splitlines() == [
        "Bump our-package 1.1",
        "",
        "Rebuilds:",
        "- scoring/environment.yml",
        "- training/environment.yml",
        "",
        f"Rebuild-Id: {world.rebuild().id}",
    ]


def test_a_branch_that_moves_is_read_and_planned_again() -> None:
    world = World()
    world.publish()
    push = world.repository.push
    moved: list[str] = []

    def somebody_is_faster(base: str, message: str, files: dict[str, bytes]) -> str:
        if not moved:
            moved.append(world.repository.commit(environment("new", b"our-package==1.0\n")))
        return push(base, message, files)

    world.repository.push = somebody_is_faster  # type: ignore[method-assign,assignment]
    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.file("new/context/requirements.txt") == b"our-package==1.1\n"
    assert world.rebuild().base == moved[0]
    assert len(world.pipeline.runs) == 1


def test_a_branch_that_always_moves_is_left_for_later_and_nothing_is_lost() -> None:
    world = World()
    world.publish()
    push, attempts = world.repository.push, []

    def somebody_is_faster(base: str, message: str, files: dict[str, bytes]) -> str:
        attempts.append(base)
        if len(attempts) <= PLANS_PER_MESSAGE:
            world.repository.commit({"readme": str(len(attempts)).encode()})
        return push(base, message, files)

    world.repository.push = somebody_is_faster  # type: ignore[method-assign,assignment]
    world.work()

    assert len(attempts) == PLANS_PER_MESSAGE + 1
    assert world.rebuild().state is RebuildState.QUEUED
    assert len(world.commits) == 1


def lost_push(world: World, meanwhile: int = 0) -> None:
    """A push takes effect, its answer is lost, and others commit before anybody looks."""
    push = world.repository.push

    def lost(base: str, message: str, files: dict[str, bytes]) -> str:
        world.repository.push = push  # type: ignore[method-assign]
        push(base, message, files)
        for number in range(meanwhile):
            world.repository.commit({"readme": str(number).encode()})
        raise ServiceUnavailable("no answer")

    world.repository.push = lost  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("meanwhile", [0, 1, COMMITS_PER_REQUEST + 1])
def test_our_commit_is_found_however_many_others_lie_above_it(meanwhile: int) -> None:
    world = World()
    lost_push(world, meanwhile)
    world.publish()

    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert world.rebuild().state is RebuildState.QUEUED
    (run,) = world.pipeline.runs
    assert run.commit == world.rebuild().commit


@pytest.mark.parametrize("problem", [AccessDenied("not yours"), Permanent("it lists no more")])
@pytest.mark.parametrize("meanwhile", [0, 1])
def test_a_look_for_our_commit_that_is_refused_parks_and_never_says_that_it_is_not_there(
    problem: Exception, meanwhile: int
) -> None:
    world = World()
    lost_push(world, meanwhile)
    world.repository.fail("commits_since", "before", problem)
    world.publish()

    world.work()

    parked = world.rebuild()
    assert (parked.state, parked.reason) == (RebuildState.PARKED, str(problem))
    world.app.parked.requeue()
    world.work()
    assert world.commits == ["Bump our-package 1.1"]
    assert [len(run.paths) for run in world.pipeline.runs] == [2]
    assert [rebuild.state for rebuild in world.rebuilds_made()] == [RebuildState.SUPERSEDED, RebuildState.QUEUED]


def test_while_it_cannot_be_seen_whether_our_commit_is_there_a_requeued_rebuild_stays_parked() -> None:
    world = World()
    lost_push(world)
    world.repository.fail("commits_since", "before", AccessDenied("not yours"), times=2)
    world.publish()
    world.work()

    world.app.parked.requeue()
    world.work()

    assert world.rebuild().state is RebuildState.PARKED
    (thing,) = world.app.parked.all()
    assert (thing.entry.rebuild, world.pipeline.runs) == (world.rebuild().id, [])
    world.app.parked.requeue()
    world.work()
    assert world.commits == ["Bump our-package 1.1"]
    assert [len(run.paths) for run in world.pipeline.runs] == [2]


def test_a_push_that_finds_its_own_commit_there_is_done() -> None:
    """The answer of the first try is lost below us, and its repetition is told that the branch has moved."""
    world = World()
    world.repository.fail("push", "after", BranchMoved("the branch has already been updated"))
    world.publish()

    world.work()

    assert world.commits == ["Bump our-package 1.1"]
    assert [rebuild.state for rebuild in world.rebuilds_made()] == [RebuildState.QUEUED]


_LINE = re.compile(
    r"|Rebuilds:|- [a-z0-9-]+ [0-9a-z.!+]+|- [A-Za-z0-9._/-]+\.yml|Rebuild-Id: [0-9a-f]+"
    r"|Bump (?:\d+ packages|[a-z0-9-]+ [0-9a-z.!+]+)"
)
_FOLDERS = st.one_of(
    st.sampled_from(["[skip ci]", "#123", "@everyone", "a\nRebuild-Id: 0", "***NO_CI***", "x\r\ny", "-rf", "a.b"]),
    st.text(min_size=1, max_size=8).filter(lambda name: "/" not in name),
)


@given(st.lists(_FOLDERS, min_size=1, max_size=3, unique_by=str.casefold), st.booleans())
def test_nothing_from_outside_can_say_anything_else_in_a_commits_message(folders: list[str], two: bool) -> None:
    files: dict[str, str | bytes] = {"plain/env.yml": environment_yaml("plain"), "plain/Dockerfile": DOCKERFILE,
                                     "plain/requirements.txt": "our-package==1.0\nour-other==1.0\n"}  # fmt: skip
    for at, folder in enumerate(folders):
        files[f"{folder}/env.yml"] = environment_yaml(f"e{at}")
        files[f"{folder}/Dockerfile"] = DOCKERFILE
        files[f"{folder}/requirements.txt"] = "our-package==1.0\n"
    plan = plan_of(files, "our-package 1.1", *(["our-other 1!2.0rc1"] if two else []))

    subject, blank, *body = commit_message(plan).removesuffix("\n").split("\n")

    assert subject.startswith("Bump ")
    assert blank == ""
    assert [line for line in (subject, *body) if not _LINE.fullmatch(line)] == []
    assert [line for line in body if line.startswith("Rebuild-Id")] == [f"Rebuild-Id: {plan.id}"]
