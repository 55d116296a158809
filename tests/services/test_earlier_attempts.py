"""What an earlier attempt has registered counts, as long as the files are the same."""

import pytest

from shared.domain.records.pipeline_contract import REBUILD_TAG
from shared.domain.records.run_outcomes import JobOutcome
from shared.domain.states import EnvironmentState, RebuildState
from tests.services.test_follow import DONE, SCORING, TRAINING, finish, hook, register, run_of, states
from tests.services.world import RULES, World, environment

FULL = JobOutcome("completed", "failed", (), "the disk is full")


def queued(*workspaces: str) -> World:
    """A world with one queued rebuild of `training` and `scoring`, whose environments have two attempts."""
    world = World(workspaces=workspaces or ("training",), REBUILDER_ATTEMPTS="2")
    world.publish()
    world.work()
    assert world.rebuild().state is RebuildState.QUEUED
    return world


def test_what_an_earlier_attempt_at_the_same_files_registered_counts_in_that_workspace() -> None:
    world = queued("training", "serving")
    first = world.rebuild().id
    for name in ("training", "scoring"):
        world.azure_ml.register("ml/training", name, {"rebuilder-rebuild": first})
    world.azure_ml.register("ml/serving", "scoring", {"rebuilder-rebuild": first})
    finish(world, {TRAINING: FULL, SCORING: DONE}, "failed")
    hook(world)
    second = world.rebuilds_made()[-1]

    run_of(world).jobs, run_of(world).result = {TRAINING: DONE}, "succeeded"
    world.azure_ml.register("ml/serving", "training", {"rebuilder-rebuild": second.id})
    world.tell_of(run_of(world))
    world.work()

    (training,) = world.rebuilds_made()[-1].environments
    assert training.state is EnvironmentState.REGISTERED
    assert [(r.workspace, r.tags["rebuilder-rebuild"]) for r in training.workspaces] == [
        ("ml/training", first),
        ("ml/serving", second.id),
    ]


def test_what_an_earlier_attempt_at_other_files_registered_does_not_count() -> None:
    world = queued()
    first = world.rebuild().id
    finish(world, {TRAINING: FULL, SCORING: DONE}, "failed")
    register(world, "scoring")
    world.repository.commit({"training/context/requirements.txt": b"pandas==2.1\nour-package==1.1\n"})
    hook(world)
    world.azure_ml.register("ml/training", "training", {"rebuilder-rebuild": first})  # its job went on all the same
    (owed,) = world.rebuilds_made()[-1].environments
    assert owed.earlier == ()

    run_of(world).jobs, run_of(world).result = {TRAINING: DONE}, "succeeded"
    run_of(world).finished = world.clock.now()
    world.tell_of(run_of(world))
    world.work()

    (training,) = world.rebuilds_made()[-1].environments
    assert training.state is EnvironmentState.FAILED
    assert (training.reason or "").startswith("its job succeeded, but ml/training has no version with the tag of")


@pytest.mark.parametrize("result", ["canceled", "abandoned"])
def test_what_a_person_cancelled_is_not_tried_again(result: str) -> None:
    world = queued()
    finish(world, {TRAINING: JobOutcome("completed", result), SCORING: DONE}, "failed")
    register(world, "scoring")

    hook(world)

    assert states(world)["training"] == ("cancelled", "its job was cancelled")
    assert (len(world.pipeline.runs), world.is_at_rest()) == (1, True)


class TestWhatThePipelineIsToldOf:
    """Earlier rebuilds, exactly if the files are the same, byte for byte."""

    def failed_once(self, **settings: str) -> World:
        """The first workspace took the environment, the second did not."""
        world = World({"rebuilder.yml": RULES, **environment("training", b"our-package==1.0\n")},
                      workspaces=("one", "two"), **settings)  # type: ignore[arg-type]  # fmt: skip
        world.publish()
        world.work()
        (run,) = world.pipeline.runs
        world.build(run, failing={TRAINING: "two is away"})
        world.azure_ml.register("ml/one", "training", {REBUILD_TAG: run.parameters["rebuild"], "rebuilder-run": "1"})
        return world

    def retried(self, world: World) -> str:
        """What the pipeline is told of earlier rebuilds."""
        world.tell_of(world.pipeline.runs[0])
        world.work()
        items = world.pipeline.runs[1].parameters["environments"]
        return str(items.split(":")[2])

    @pytest.mark.parametrize(
        ("change", "same"),
        [
            ({"README.md": b"elsewhere\n"}, True),
            ({"training/context/notes.txt": b"in the build context\n"}, False),
            ({"training/context/requirements.txt": b"our-package==1.1\n#\n"}, False),
            ({"training/environment.yml": b"name: training\nbuild:\n  path: context\ntags: {a: b}\n"}, False),
            ({"rebuilder.yml": RULES + b'python: {"*": "3.11"}\n'}, False),
        ],
        ids=["elsewhere", "in the context", "requirements", "its YAML", "the rules"],
    )
    def test_only_if_the_files_are_the_same(self, change: dict[str, bytes], *, same: bool) -> None:
        world = self.failed_once()
        first = world.rebuild().id
        world.repository.commit(change)

        assert self.retried(world) == (first if same else "")

    def test_all_of_a_row_of_attempts_count(self) -> None:
        world = self.failed_once(REBUILDER_ATTEMPTS="3")
        first = world.rebuild().id
        self.retried(world)
        world.finish(failing={TRAINING: "two is away"})

        second = world.rebuilds_made()[1].id
        assert world.pipeline.runs[2].parameters["environments"] == f"1:{TRAINING}:{second}+{first}"
