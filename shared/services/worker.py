"""The queue functions: read a message, have it done, and decide what becomes of it if that does not work.

A service in the way makes the message come again after a growing pause; the platform's own retries, which are few
and evenly spaced, are left for crashes. What can never work is recorded and shown to a person.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from shared import messages
from shared.domain.releases import ReleaseId
from shared.domain.signals import FeedSignal, ReleaseSignal, RunSignal, Signal, Source
from shared.domain.states import RebuildState, ReleaseState
from shared.domain.targets import Target
from shared.errors import Conflict, DamagedEntry, InvalidInput, RebuilderError, Transient
from shared.ledger import Ledger, TurnEntry, rebuild_key, release_key, turn_key, waiting_key
from shared.limits import FIRST_PAUSE, LONGEST_PAUSE, MAX_DEQUEUE_COUNT, SHOWN_RELEASES, SUSPENDED_PAUSE, TRIES
from shared.log import alert, event
from shared.messages import Rerun, Turn
from shared.ports import Clock, Queue
from shared.services.confirm import Confirm
from shared.services.follow import Follow
from shared.services.parking import NO_TARGET, Parking, wish
from shared.services.quarantine import Quarantine
from shared.services.rebuild import Rebuild
from shared.services.repair import Repair
from shared.services.rerun import is_planned
from shared.services.turns import Turns


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
        targets: Iterable[Target],
        parking: Parking,
        quarantine: Quarantine,
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
        self._targets = tuple(targets)
        self._parking = parking
        self._quarantine = quarantine
        self._clock = clock
        self._suspended = suspended
        self._turns = Turns()

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
        if turn != Turn(turn.target, tries=turn.tries):
            self._take(turn)  # it is about something of its own
        elif self._turns.begin(turn):
            try:
                self._take(turn)
            finally:
                # The message of this turn is still there. Whatever happens before the next one is sent, it comes again.
                if following := self._turns.end(turn):
                    self._rebuilds.send(messages.encode(following))

    def _take(self, turn: Turn) -> None:
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

    def _waits(self, queue: Queue, text: str) -> bool:
        if self._suspended:
            queue.send(text, SUSPENDED_PAUSE)
        return self._suspended

    def _is_hopeless(self, text: str, dequeue_count: int, give_up: Callable[[str], None]) -> bool:
        # A host that dies with the message each time never reports a failure, so the platform would go on for ever.
        # Should this fail too, it is the last time: the platform moves the message to the poison queue.
        if dequeue_count < MAX_DEQUEUE_COUNT:
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

    def _set_aside(self, text: str, why: str) -> None:
        self._quarantine.put(text.encode(errors="backslashreplace"), why)

    def _give_signal_up(self, signal: Signal, why: str) -> None:
        alert("signal_parked", kind=signal.kind, why=why)
        match signal:
            case ReleaseSignal():
                targets = [t for t in self._targets if signal.target in (None, t.name)]
                named = [(target, feed) for target in targets if (feed := target.feed(signal.feed))]
                for target, feed in named:
                    self._park_release(target.name, ReleaseId.of(str(feed), signal.name, signal.version), why, signal)
                if not named:
                    what = f"{signal.name} {signal.version} on {signal.feed}"
                    self._parking.put(NO_TARGET, f"a signal of {what}", why, [signal])
            case FeedSignal():
                self._parking.put(NO_TARGET, "a look at the feeds' change logs", why, [signal])
            case RunSignal():
                self._parking.put(NO_TARGET, f"a look at run {signal.run}", why, [signal])

    def _park_release(self, target: str, release: ReleaseId, why: str, signal: ReleaseSignal) -> None:
        entry = self._ledger.readable(release_key(target, release))
        if entry and entry.state in (ReleaseState.SIGNALLED, ReleaseState.PARKED):
            self._parking.release(entry, why, signal)
        else:
            # It is further, so what the signal may have brought, such as a promotion, is all that is given up.
            self._parking.put(target, f"a signal of {release}", why, [wish(target, release, signal)])

    def _give_turn_up(self, turn: Turn, why: str) -> None:
        alert("turn_parked", target=turn.target, why=why)
        if turn.target not in {target.name for target in self._targets}:
            self._parking.put(NO_TARGET, f"a turn of target {turn.target}", why, [turn])
            return
        try:
            self._park_turn(turn, why)
        except DamagedEntry as problem:
            # What it holds cannot be read, so it is the turn itself that is taken up again.
            alert("turn_not_parked", target=turn.target, why=problem)
            self._parking.put(turn.target, f"a turn of target {turn.target}", why, [turn])

    def _park_turn(self, turn: Turn, why: str) -> None:
        """Park the rebuild that holds the turn, or, if nobody does, the releases that wait for one."""
        target = turn.target
        if turn.retry:
            self._parking.put(target, f"the next attempt of rebuild {turn.retry}", why, [turn], rebuild=turn.retry)
        held = self._ledger.read(turn_key(target))
        if turn.resume and not (held and held.rebuild == turn.resume):
            self._parking.put(target, f"rebuild {turn.resume}", why, [turn], rebuild=turn.resume)
        if held and held.rebuild:
            self._park_rebuild(target, held.rebuild, why)
            self._ledger.update(turn_key(target), lambda e: TurnEntry() if e == held else e)
        if turn.rerun:
            self._park_rerun(target, turn.rerun, why, _as_signal(turn))
        elif not (turn.retry or turn.resume or (held and held.rebuild)):
            waiting = self._ledger.waiting(target)
            self._park_confirmed(target, sorted({mark.release for mark in waiting}), why)
            # Not before all are parked: whoever comes after a crash finds them, and the same entry.
            for mark in waiting:
                self._ledger.delete(waiting_key(target, mark))

    def _park_rerun(self, target: str, rerun: Rerun, why: str, signal: ReleaseSignal | None) -> None:
        release = rerun.release
        entry = self._ledger.read(release_key(target, release))
        if entry and (entry.state in (ReleaseState.PLANNED, ReleaseState.SETTLED) or self._ledger.waits(entry)):
            # Another plan has taken the release up, or will: the rerun is all that is given up.
            if not is_planned(self._ledger, entry, rerun.attempt, rerun.environments):
                what = f"rerun {rerun.attempt} of {release}"
                self._parking.put(target, what, why, [wish(target, release, signal)])
            return
        self._park_confirmed(target, [release], why, signal)

    def _park_confirmed(
        self, target: str, releases: Sequence[ReleaseId], why: str, signal: ReleaseSignal | None = None
    ) -> None:
        entries = [self._ledger.read(release_key(target, release)) for release in releases]
        if any(entry and entry.state is ReleaseState.CONFIRMED for entry in entries):
            wishes = [wish(target, release, signal) for release in releases]
            self._parking.put(target, _named(releases), why, wishes, releases)
        for release in releases:
            self._parking.state(target, release, why, ReleaseState.CONFIRMED)

    def _park_rebuild(self, target: str, held: str, why: str) -> None:
        try:
            rebuild = self._ledger.read(rebuild_key(target, held))
        except DamagedEntry:
            # It can be neither parked nor continued until its entry is repaired.
            self._parking.put(target, f"rebuild {held}", why, [Turn(target, resume=held)], rebuild=held)
            return
        if rebuild and (rebuild.is_underway or rebuild.state is RebuildState.PARKED):
            # It goes on by itself, whatever became of its releases; they are planned anew if it has written nothing.
            sent: list[Signal | Turn] = [wish(target, release) for release in rebuild.releases]
            sent.append(Turn(target, resume=held))
            what = f"rebuild {held} of {_named(rebuild.releases)}"
            self._parking.put(target, what, why, sent, rebuild.releases, held)
        now = self._clock.now()
        parked = self._ledger.update(
            rebuild_key(target, held), lambda e: e.parked(why, now) if e and e.is_underway else e
        )
        for release in parked.releases if parked and parked.state is RebuildState.PARKED else ():
            self._parking.state(target, release, why, ReleaseState.PLANNED, held)


def _named(releases: Sequence[ReleaseId]) -> str:
    rest = f" and {len(releases) - SHOWN_RELEASES} more" if len(releases) > SHOWN_RELEASES else ""
    return ", ".join(str(release) for release in releases[:SHOWN_RELEASES]) + rest


def _as_signal(turn: Turn) -> ReleaseSignal | None:
    """The signal that a rerun began with."""
    if turn.rerun is None:
        return None
    named = turn.rerun.release
    return ReleaseSignal(
        named.feed,
        named.package,
        named.version,
        Source.PERSON,
        target=turn.target,
        attempt=turn.rerun.attempt,
        environments=turn.rerun.environments,
    )


def _tried[M: (Signal, Turn)](message: M, tries: int) -> M:
    return replace(message, tries=tries)
