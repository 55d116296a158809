"""The queue functions: read a message, have it done, and decide what becomes of it if that does not work.

A service in the way makes the message come again after a growing pause; the platform's own retries, which are few
and evenly spaced, are left for crashes. What can never work is recorded and shown to a person.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from shared import messages
from shared.domain.release_entry import ReleaseEntry
from shared.domain.releases import ReleaseId
from shared.domain.signals import FeedSignal, ReleaseSignal, RunSignal, Signal, UnreadableSignal
from shared.domain.states import RebuildState, ReleaseState
from shared.errors import Conflict, InvalidInput, RebuilderError, Transient
from shared.ledger import (
    Ledger,
    TurnEntry,
    UnreadableEntry,
    rebuild_key,
    release_key,
    turn_key,
    unreadable_key,
    waiting_key,
)
from shared.limits import FIRST_PAUSE, LONGEST_PAUSE, MAX_DEQUEUE_COUNT, SUSPENDED_PAUSE, TRIES
from shared.log import alert, event
from shared.messages import Turn
from shared.ports import Clock, Queue
from shared.services.confirm import Confirm
from shared.services.follow import Follow
from shared.services.rebuild import Rebuild
from shared.services.repair import Repair


class Worker:
    """What the queue triggers call."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        signals: Queue,
        rebuilds: Queue,
        confirm: Callable[[], Confirm],
        rebuild: Callable[[], Rebuild],
        repair: Callable[[], Repair],
        follow: Callable[[], Follow],
        target_names: tuple[str, ...],
        clock: Clock,
        suspended: bool,
    ) -> None:
        self._ledger = ledger
        self._signals = signals
        self._rebuilds = rebuilds
        self._confirm = confirm
        self._rebuild = rebuild
        self._repair = repair
        self._follow = follow
        self._target_names = target_names
        self._clock = clock
        self._suspended = suspended

    def signal(self, text: str, dequeue_count: int = 1) -> None:
        """Do what a message of the queue `signals` asks for."""
        if self._waits(self._signals, text) or self._is_hopeless(text, dequeue_count, self.signal_given_up):
            return
        try:
            signal = messages.decode_signal(text)
        except InvalidInput as problem:
            self._set_aside(text, str(problem))
            return
        try:
            self._do_signal(signal)
        except (Transient, Conflict) as problem:
            self._again(self._signals, signal, problem, lambda why: self._give_signal_up(signal, why))
        except RebuilderError as problem:
            self._give_signal_up(signal, str(problem))

    def turn(self, text: str, dequeue_count: int = 1) -> None:
        """Do what a message of the queue `rebuilds` asks for."""
        if self._waits(self._rebuilds, text) or self._is_hopeless(text, dequeue_count, self.turn_given_up):
            return
        try:
            turn = messages.decode_turn(text)
        except InvalidInput as problem:
            self._set_aside(text, str(problem))
            return
        try:
            self._rebuild().turn(turn)
        except (Transient, Conflict) as problem:
            self._again(self._rebuilds, turn, problem, lambda why: self._give_turn_up(turn, why))
        except RebuilderError as problem:
            self._give_turn_up(turn, str(problem))

    def signal_given_up(self, text: str) -> None:
        """A message of the queue `signals-poison`: record that it is parked."""
        self._given_up(text, messages.decode_signal, self._give_signal_up)

    def turn_given_up(self, text: str) -> None:
        """A message of the queue `rebuilds-poison`: record that it is parked, and free the target's turn."""
        self._given_up(text, messages.decode_turn, self._give_turn_up)

    def _do_signal(self, signal: Signal) -> None:
        match signal:
            case ReleaseSignal():
                self._confirm().release(signal)
            case FeedSignal():
                self._repair().read_change_logs(signal.source)
            case RunSignal():
                if signal.pipeline is None:
                    # A notification without details: any run may have published something.
                    self._repair().read_change_logs(signal.source)
                self._follow().run(signal.run, signal.pipeline)
            case UnreadableSignal():
                self._set_aside(signal.body, signal.why)

    def _waits(self, queue: Queue, text: str) -> bool:
        if self._suspended:
            queue.send(text, SUSPENDED_PAUSE)
        return self._suspended

    def _is_hopeless(self, text: str, dequeue_count: int, give_up: Callable[[str], None]) -> bool:
        # A host that dies with the message each time never reports a failure, so the platform would go on for ever.
        if dequeue_count <= MAX_DEQUEUE_COUNT:
            return False
        give_up(text)
        return True

    def _again[M: (Signal, Turn)](
        self, queue: Queue, message: M, problem: RebuilderError, give_up: Callable[[str], None]
    ) -> None:
        tries = message.tries + 1
        if tries > TRIES:
            give_up(f"{problem} (tried {TRIES} times)")
            return
        asked = problem.retry_after if isinstance(problem, Transient) else None
        pause = min(max(asked or timedelta(), FIRST_PAUSE * 2 ** min(tries - 1, 10)), LONGEST_PAUSE)
        queue.send(messages.encode(_tried(message, tries)), pause)
        event("message_again", kind=message.kind, tries=tries, seconds=int(pause.total_seconds()), why=problem)

    def _given_up[M](self, text: str, decode: Callable[[str], M], give_up: Callable[[M, str], None]) -> None:
        try:
            message = decode(text)
        except InvalidInput as problem:
            self._set_aside(text, str(problem))
            return
        give_up(message, "its message failed again and again; the log tells why")

    def _set_aside(self, body: str, why: str) -> None:
        self._ledger.create(unreadable_key(body), UnreadableEntry(self._clock.now(), why, body))
        alert("message_set_aside", why=why)

    def _give_signal_up(self, signal: Signal, why: str) -> None:
        alert("signal_parked", kind=signal.kind, why=why)
        if not isinstance(signal, ReleaseSignal):
            return
        for target in self._target_names:
            if signal.target in (None, target):
                try:
                    release = ReleaseId.of(signal.feed, signal.name, signal.version)
                except InvalidInput as problem:
                    alert("release_not_parked", target=target, why=problem)
                    return
                # What cannot be written down is raised: the platform keeps the message.
                self._park_release(target, release, why, {ReleaseState.SIGNALLED})

    def _give_turn_up(self, turn: Turn, why: str) -> None:
        alert("turn_parked", target=turn.target, why=why)
        if turn.target not in self._target_names:
            return
        try:
            self._park_turn(turn, why)
        except InvalidInput as problem:
            alert("turn_not_parked", target=turn.target, why=problem)

    def _park_turn(self, turn: Turn, why: str) -> None:
        """Park the rebuild that holds the turn, or, if nobody does, the releases that wait for one."""
        now = self._clock.now()
        held = self._ledger.read(turn_key(turn.target))
        if held and held.rebuild:
            rebuild = self._ledger.update(
                rebuild_key(turn.target, held.rebuild), lambda e: e.parked(why, now) if e and e.is_underway else e
            )
            for release in rebuild.releases if rebuild and rebuild.state is RebuildState.PARKED else ():
                self._park_release(turn.target, release, why, {ReleaseState.PLANNED}, held.rebuild)
            self._ledger.update(turn_key(turn.target), lambda e: TurnEntry() if e == held else e)
            return
        if turn.rerun:
            self._park_release(turn.target, turn.rerun.release, why, {ReleaseState.CONFIRMED})
            return
        for waiting in self._ledger.waiting(turn.target):
            self._park_release(turn.target, waiting.release, why, {ReleaseState.CONFIRMED})
            self._ledger.delete(waiting_key(turn.target, waiting))

    def _park_release(
        self, target: str, release: ReleaseId, why: str, states: set[ReleaseState], rebuild: str | None = None
    ) -> None:
        now = self._clock.now()

        def park(entry: ReleaseEntry | None) -> ReleaseEntry | None:
            if entry is None or entry.state not in states or (rebuild and entry.rebuild != rebuild):
                return entry
            return entry.parked(why, now)

        self._ledger.update(release_key(target, release), park)


def _tried[M: (Signal, Turn)](message: M, tries: int) -> M:
    return replace(message, tries=tries)
