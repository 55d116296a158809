"""The queue functions: read a message, have it done, and decide what becomes of it if that does not work.

A service that does not answer makes the message come again after a growing pause; the platform's own retries, which are
few and evenly spaced, are left for crashes. What can never work is recorded and shown to a person.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from shared import messages
from shared.domain.releases import ReleaseId
from shared.domain.signals import FeedSignal, ParkedSignal, ReleaseSignal, RunSignal, Signal
from shared.domain.targets import Target
from shared.errors import Conflict, InvalidInput, OutOfTime, RebuilderError, Transient
from shared.limits import FIRST_PAUSE, LONGEST_PAUSE, MAX_DEQUEUE_COUNT, SUSPENDED_PAUSE, TRIES
from shared.log import alert, event
from shared.messages import Turn
from shared.ports import Queue
from shared.services.coalescer import Coalescer
from shared.services.confirm.confirm import Confirm
from shared.services.follow.follow import Follow
from shared.services.intake.quarantine import Quarantine
from shared.services.operator.requeue import Requeue
from shared.services.rebuild.rebuild import Rebuild
from shared.services.records.park import NO_TARGET, Park
from shared.services.repair import Repair


class Worker:
    """What the queue triggers call."""

    def __init__(
        self,
        *,
        signals: Queue,
        rebuilds: Queue,
        confirm: Callable[[], Confirm],
        rebuild: Callable[[], Rebuild],
        repair: Callable[[], Repair],
        follow: Callable[[], Follow],
        requeue: Callable[[], Requeue],
        targets: Iterable[Target],
        park: Park,
        quarantine: Quarantine,
        suspended: bool,
    ) -> None:
        self._signals = signals
        self._rebuilds = rebuilds
        self._confirm = confirm
        self._rebuild = rebuild
        self._repair = repair
        self._follow = follow
        self._requeue = requeue
        self._targets = tuple(targets)
        self._park = park
        self._quarantine = quarantine
        self._suspended = suspended
        self._signals_under_way = Coalescer[Signal]()
        self._turns_under_way = Coalescer[Turn]()

    def signal(self, text: str, dequeue_count: int = 1) -> None:
        """Do what a message of the queue `signals` asks for."""
        if self._waits(self._signals, text) or self._is_hopeless(text, dequeue_count, self.signal_given_up):
            return
        try:
            signal = messages.decode_signal(text)
        except InvalidInput as problem:
            self._set_aside(text, str(problem))
            return
        self._once(self._signals, self._signals_under_way, signal, self._take_signal)

    def turn(self, text: str, dequeue_count: int = 1) -> None:
        """Do what a message of the queue `rebuilds` asks for."""
        if self._waits(self._rebuilds, text) or self._is_hopeless(text, dequeue_count, self.turn_given_up):
            return
        try:
            turn = messages.decode_turn(text)
        except InvalidInput as problem:
            self._set_aside(text, str(problem))
            return
        self._once(self._rebuilds, self._turns_under_way, turn, self._take_turn)

    def _take_signal(self, signal: Signal) -> None:
        try:
            self._do_signal(signal)
        except (Transient, Conflict) as problem:
            self._again(self._signals, signal, problem, lambda why: self._give_signal_up(signal, why))
        except RebuilderError as problem:
            self._give_signal_up(signal, str(problem))

    def _take_turn(self, turn: Turn) -> None:
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
            case ParkedSignal():
                self._requeue().parked(signal)

    def _once[M: (Signal, Turn)](
        self, queue: Queue, under_way: Coalescer[M], message: M, take: Callable[[M], None]
    ) -> None:
        """Do what a message asks for, unless this process is doing it: then it is done once more afterwards."""
        if under_way.begin(message):
            try:
                take(message)
            finally:
                # The message is still there. Whatever happens before the one that follows is sent, it comes again.
                if following := under_way.end(message):
                    queue.send(messages.encode(following))

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
        if isinstance(problem, OutOfTime):
            # It did something, so it is no try in vain.
            queue.send(messages.encode(_tried(message, 0)))
            event("message_goes_on", kind=message.kind, why=problem)
            return
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
        alert("signal_given_up", kind=signal.kind, why=why)
        match signal:
            case ReleaseSignal():
                targets = [t for t in self._targets if signal.target in (None, t.name)]
                named = [(target, feed) for target in targets if (feed := target.feed(signal.feed))]
                for target, feed in named:
                    release = ReleaseId.of(str(feed), signal.name, signal.version)
                    self._park.release(target.name, release, why, signal)
                if not named:
                    what = f"a signal of {signal.name} {signal.version} on {signal.feed}"
                    self._park.signal(NO_TARGET, what, why, signal)
            case FeedSignal():
                self._park.signal(NO_TARGET, "a look at the feeds' change logs", why, signal)
            case RunSignal():
                self._park.signal(NO_TARGET, f"a look at run {signal.run}", why, signal)
            case ParkedSignal():
                pass  # it is parked still, and can be requeued again

    def _give_turn_up(self, turn: Turn, why: str) -> None:
        """Park what the target was about to do. What an unknown target has due waits until it is configured again."""
        alert("turn_given_up", target=turn.target, why=why)
        if turn.target in {target.name for target in self._targets}:
            self._park.turn(turn.target, why)


def _tried[M: (Signal, Turn)](message: M, tries: int) -> M:
    return replace(message, tries=tries)
