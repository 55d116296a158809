"""What the adapters make of an Azure DevOps that does not answer as it should."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from local.azure_devops.api import AUDIENCE
from local.azure_devops.server import Organization
from local.faults import Fault
from local.wheels import empty_wheel
from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.adapters.azure_devops.guard import Pause
from shared.domain.names import package_name
from shared.domain.releases import FeedName
from shared.domain.targets import Target
from shared.errors import (
    AccessDenied,
    BranchMoved,
    NotThere,
    Permanent,
    PipelineRejected,
    RebuilderError,
    ServiceUnavailable,
    Throttled,
)
from shared.limits import LONGEST_PAUSE
from tests.contracts.worlds import PARAMETERS
from tests.fakes.clock import FakeStopwatch
from tests.fakes.credential import CachingCredential, StubCredential


@dataclass(frozen=True, slots=True)
class Step:
    """One call of an adapter, on the module's stand.

    Attributes:
        operation: what the stand calls it.
        writes: a second one would do something a second time.
    """

    operation: str
    run: Callable[[AzureDevOpsOrganizations, Target], object]
    writes: bool = False


def _push(azure_devops: AzureDevOpsOrganizations, target: Target) -> object:
    repository = azure_devops.repository(target)
    return repository.push(repository.tip(), "Change the rules", {"rebuilder.yml": b"deliver: push\n"})


def _commits(azure_devops: AzureDevOpsOrganizations, target: Target) -> object:
    # Down to one that is not there it takes more than one call: the branch is read to its beginning.
    repository = azure_devops.repository(target)
    return repository.commits_since(repository.tip())


# On the module's feed.
WHEEL = package_name("has-a-wheel")

STEPS = (
    Step("refs", lambda azure, target: azure.repository(target).tip()),
    Step("items", lambda azure, target: azure.repository(target).listing("1" * 40)),
    Step("blobs", lambda azure, target: azure.repository(target).blobs(["1" * 40])),
    Step("commits", _commits),
    Step("push", _push, writes=True),
    Step("queue run", lambda azure, target: azure.pipeline(target).queue("1" * 40, PARAMETERS), writes=True),
    Step("builds", lambda azure, target: azure.pipeline(target).runs_since(datetime.now(UTC))),
    Step("packages", lambda azure, target: azure.feed(target, target.feeds[0]).version(package_name("any"), "1")),
    Step("package changes", lambda azure, target: azure.feed(target, target.feeds[0]).changes(0)),
    Step("packages", lambda azure, target: azure.feed(target, target.feeds[0]).published()),
    Step("index", lambda azure, target: azure.feed(target, target.feeds[0]).files(WHEEL, "1")),
    Step("download", lambda azure, target: azure.feed(target, target.feeds[0]).metadata(WHEEL, "1")),
    Step("feed change", lambda azure, target: azure.feed(target, target.feeds[0]).latest_token()),
    Step("list subscriptions", lambda azure, target: azure.hooks(target.organization).subscriptions()),
)
# What these answer where there is nothing: a package and a file come and go.
NOTHING = {"index": (), "download": None}
# More than one call by itself.
PUBLISHED = STEPS[9]
# What these ask for is not there.
FAILING = ("items", "blobs", "queue run")
WRITES = tuple(step for step in STEPS if step.writes)


@pytest.fixture(params=STEPS, ids=lambda step: step.operation)
def step(request: pytest.FixtureRequest) -> Step:
    found: Step = request.param
    return found


def outcome(step: Step, azure_devops: AzureDevOpsOrganizations, target: Target) -> str:
    """What comes of a step: that it went well, or its kind of error."""
    try:
        step.run(azure_devops, target)
    except RebuilderError as problem:
        return type(problem).__name__
    return "done"


class Stand:
    """Runs steps and counts what arrives. What the service asks to wait is counted and not slept."""

    def __init__(self, organization: Organization, target: Target) -> None:
        self.organization = organization
        self.stopwatch = FakeStopwatch()
        self._azure_devops = AzureDevOpsOrganizations(
            StubCredential(AUDIENCE), lambda: Pause(self.stopwatch.now, self.stopwatch.sleep)
        )
        self._target = target

    def recover(self) -> None:
        """Have nothing go wrong any more, and every wait that was asked for be over."""
        self.organization.faults.clear()
        self.stopwatch.seconds += LONGEST_PAUSE.total_seconds()
        self.stopwatch.slept.clear()

    def fail(self, step: Step, fault: Fault, times: int = 1) -> RebuilderError:
        """Run a step that goes wrong; its error."""
        self.organization.faults.set(step.operation, fault, times)
        with pytest.raises(RebuilderError) as raised:
            self.run(step)
        return raised.value

    def run(self, step: Step) -> object:
        return step.run(self._azure_devops, self._target)

    def outcome(self, step: Step) -> str:
        return outcome(step, self._azure_devops, self._target)

    def calls(self, step: Step) -> int:
        return self.organization.faults.calls.get(step.operation, 0)


@pytest.fixture(scope="module", autouse=True)
def _wheel(organization_of_module: Organization, tmp_path_factory: pytest.TempPathFactory) -> None:
    wheel = empty_wheel(WHEEL, "1.0", tmp_path_factory.mktemp("wheels"))
    organization_of_module.feed.publish(wheel.name, wheel.read_bytes())


@pytest.fixture(scope="module")
def _stand(organization_of_module: Organization, target_of_module: Target) -> Stand:
    """The module's: the SDK takes its time over each new connection."""
    return Stand(organization_of_module, target_of_module)


@pytest.fixture
def stand(_stand: Stand) -> Iterator[Stand]:
    yield _stand
    _stand.recover()


NOT_ACCEPTED = [Fault.UNAUTHORIZED, Fault.SIGN_IN, Fault.PAGE, Fault.REDIRECT]


@pytest.mark.parametrize("fault", NOT_ACCEPTED)
def test_who_is_not_let_in_asks_once_more_and_is_denied_access(stand: Stand, step: Step, fault: Fault) -> None:
    before = stand.calls(step)
    assert type(stand.fail(step, fault, times=9)) is AccessDenied
    # An index is a page itself: nobody can tell before it has been read.
    assert stand.calls(step) == before + (1 if (step.operation, fault) == ("index", Fault.PAGE) else 2)


@pytest.mark.parametrize("fault", NOT_ACCEPTED)
def test_who_is_let_in_with_a_fresh_token_goes_on_as_if_nothing_was(stand: Stand, step: Step, fault: Fault) -> None:
    if (step.operation, fault) == ("index", Fault.PAGE):
        return
    usual = stand.outcome(step)
    stand.organization.faults.set(step.operation, fault)
    assert stand.outcome(step) == usual


def test_what_is_forbidden_is_denied_and_not_asked_again(stand: Stand, step: Step) -> None:
    before = stand.calls(step)
    assert type(stand.fail(step, Fault.FORBIDDEN)) is AccessDenied
    assert stand.calls(step) == before + 1


def test_a_token_that_has_expired_is_renewed_once_for_all_calls(stand: Stand, target_of_module: Target) -> None:
    credential = CachingCredential(AUDIENCE, lifetimes=(-60, 3600))
    azure_devops = AzureDevOpsOrganizations(credential)
    for step in STEPS:
        assert outcome(step, azure_devops, target_of_module) == stand.outcome(step)
    assert credential.issued == 2


@pytest.mark.parametrize("fault", [Fault.EMPTY, Fault.TRUNCATED])
def test_an_answer_that_is_cut_off_is_no_answer(stand: Stand, step: Step, fault: Fault) -> None:
    if step.operation in (*NOTHING, *FAILING):
        return
    assert type(stand.fail(step, fault)) is ServiceUnavailable


def test_an_answer_of_another_form_is_no_answer(stand: Stand, step: Step) -> None:
    if step.operation in (*NOTHING, *FAILING):
        return
    assert type(stand.fail(step, Fault.ODD)) is ServiceUnavailable


@pytest.mark.parametrize("step", [STEPS[0], *WRITES], ids=lambda step: step.operation)
@pytest.mark.parametrize(("asked", "seconds"), [("7", 7), ("31536000", 600), ("-5", None), ("0", None), ("soon", None)])
def test_who_is_busy_says_for_how_long(stand: Stand, step: Step, asked: str, seconds: int | None) -> None:
    stand.organization.faults.set(step.operation, Fault.UNAVAILABLE, 9, {"Retry-After": asked})
    before = stand.calls(step)
    with pytest.raises(ServiceUnavailable) as raised:
        stand.run(step)
    assert raised.value.retry_after == (timedelta(seconds=seconds) if seconds else None)
    # A header that says nothing sensible still says that it is no use to come at once.
    assert stand.calls(step) == before + 1


def test_after_a_success_that_asks_to_wait_the_next_call_is_not_sent_before(stand: Stand, step: Step) -> None:
    if step is PUBLISHED:
        return
    stand.organization.faults.set(step.operation, Fault.USUAL, headers={"Retry-After": "42"})
    usual, before = stand.outcome(step), stand.calls(step)
    with pytest.raises(Throttled, match="not asked, Azure DevOps wants us to wait for 42 more seconds") as raised:
        stand.run(step)
    assert raised.value.retry_after == timedelta(seconds=42)
    assert stand.calls(step) == before
    stand.stopwatch.sleep(42)
    assert stand.outcome(step) == usual
    assert stand.calls(step) == before + 1


def test_a_short_wait_is_waited_at_once(stand: Stand) -> None:
    stand.organization.faults.set(STEPS[0].operation, Fault.USUAL, headers={"Retry-After": "3"})
    for _ in range(3):
        stand.run(STEPS[0])
    assert stand.stopwatch.slept == [3]


def test_too_many_requests_are_throttled_and_not_repeated(stand: Stand, step: Step) -> None:
    before = stand.calls(step)
    raised = stand.fail(step, Fault.TOO_MANY)
    assert isinstance(raised, Throttled)
    # Not slept inside the function: the queue's message waits for it.
    assert raised.retry_after == timedelta(seconds=1)
    assert stand.calls(step) == before + 1


@pytest.mark.parametrize(
    "step", [step for step in STEPS if step.operation not in NOTHING], ids=lambda step: step.operation
)
def test_what_is_gone_is_not_there(stand: Stand, step: Step) -> None:
    expected = PipelineRejected if step.operation == "queue run" else NotThere
    assert type(stand.fail(step, Fault.NOT_FOUND)) is expected


@pytest.mark.parametrize("step", [step for step in STEPS if step.operation in NOTHING], ids=lambda step: step.operation)
def test_what_the_index_lacks_is_nothing(stand: Stand, step: Step) -> None:
    stand.organization.faults.set(step.operation, Fault.NOT_FOUND)
    assert stand.run(step) == NOTHING[step.operation]


@pytest.mark.parametrize("operation", NOTHING)
@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.SERVER_ERROR])
def test_an_index_that_fails_is_unavailable_at_once(stand: Stand, operation: str, fault: Fault) -> None:
    (step,) = (step for step in STEPS if step.operation == operation)
    before = stand.calls(step)
    assert type(stand.fail(step, fault)) is ServiceUnavailable
    assert stand.calls(step) == before + 1


def test_an_index_of_a_feed_that_is_not_there_is_not_there(
    azure_devops: AzureDevOpsOrganizations, target_of_module: Target
) -> None:
    for feed in (FeedName("nobody-has-it", "ml"), FeedName("packages")):
        for ask in (
            azure_devops.feed(target_of_module, feed).files,
            azure_devops.feed(target_of_module, feed).metadata,
        ):
            with pytest.raises(NotThere):
                ask(WHEEL, "1.0")


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.SERVER_ERROR, Fault.DROP, Fault.BEFORE, Fault.AFTER])
@pytest.mark.parametrize("step", WRITES, ids=lambda step: step.operation)
def test_a_write_that_fails_is_not_repeated(stand: Stand, step: Step, fault: Fault) -> None:
    before = stand.calls(step)
    assert type(stand.fail(step, fault)) is ServiceUnavailable
    assert stand.calls(step) == before + 1


def test_a_connection_that_breaks_is_a_service_that_is_unavailable(stand: Stand, step: Step) -> None:
    assert type(stand.fail(step, Fault.DROP, times=9)) is ServiceUnavailable


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.SERVER_ERROR])
def test_a_read_that_fails_once_is_repeated(stand: Stand, fault: Fault) -> None:
    step = STEPS[0]
    stand.organization.faults.set(step.operation, fault)
    before = stand.calls(step)
    assert stand.run(step)
    assert stand.calls(step) == before + 2


def test_a_change_log_that_does_not_go_on_is_an_error(stand: Stand) -> None:
    (changes,) = (step for step in STEPS if step.operation == "package changes")
    stand.organization.feed.stuck = True
    with pytest.raises(Permanent, match="the change log of feed ml/packages does not go on after 0"):
        stand.run(changes)
    stand.organization.feed.stuck = False


def test_a_stale_branch_has_moved(stand: Stand) -> None:
    (push,) = (step for step in STEPS if step.operation == "push")
    assert type(stand.fail(push, Fault.CONFLICT)) is BranchMoved


_FIELDS = ("id", "name", "normalizedName", "version", "versions", "objectId", "path", "gitObjectType", "commitId",
           "commits", "comment", "queueTime", "templateParameters", "packageChanges", "nextPackageContinuationToken",
           "url", "status", "publisherId")  # fmt: skip
HOSTILE = {
    "null": b"null",
    "a list": b"[]",
    "a list of nothing": b'{"value": [null]}',
    "fields that are lists": json.dumps({"count": 1, "value": [{name: [[]] for name in _FIELDS}]}).encode(),
    "fields that are maps": json.dumps({name: {"x": {}} for name in (*_FIELDS, "value")}).encode(),
    "a number beyond all": b'{"id": 1e999, "count": 1, "value": [{"id": 1e999, "timestamp": 1e999}]}',
    "nested without end": b"[" * 100_000,
    "no text": b"\xff\xfe\x00\xd8",
}


@pytest.mark.parametrize(
    "step", [step for step in STEPS if step.operation not in NOTHING], ids=lambda step: step.operation
)
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_is_answered_a_call_ends_well_or_with_an_error_of_ours(stand: Stand, step: Step, body: bytes) -> None:
    before = stand.calls(step)
    stand.organization.faults.spoil(step.operation, body, times=9)

    # Any error that is none of ours is the test's own end.
    assert stand.outcome(step) != "Throttled"
    assert stand.calls(step) - before <= 2


def test_errors_say_in_one_line_what_was_done(stand: Stand, step: Step) -> None:
    message = str(stand.fail(step, Fault.FORBIDDEN))
    assert "\n" not in message
    assert any(word in message for word in ("environments", "main", "pipeline 7", "ml/packages", "subscriptions"))
