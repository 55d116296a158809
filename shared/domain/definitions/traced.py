"""Text whose characters remember where in their file they stand, however they were joined, unquoted or filled in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from shared.domain.definitions import Line

# The place of a character that stands nowhere in the file.
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Traced:
    """A text and, for each of its characters, its place in the file's text."""

    text: str = ""
    places: Sequence[int] = ()

    @classmethod
    def at(cls, text: str, start: int) -> "Traced":
        """A text that stands in the file in one piece."""
        return cls(text, range(start, start + len(text)))

    @classmethod
    def nowhere(cls, text: str) -> "Traced":
        """A text that does not stand in the file."""
        return cls(text, (NOWHERE,) * len(text))

    @classmethod
    def joined(cls, parts: Iterable["Traced"]) -> "Traced":
        """Several texts, one behind the other."""
        kept = [part for part in parts if part.text]
        if len(kept) == 1:
            return kept[0]
        return cls("".join(part.text for part in kept), [*chain.from_iterable(part.places for part in kept)])

    def __getitem__(self, piece: slice) -> "Traced":
        return Traced(self.text[piece], self.places[piece])

    def __bool__(self) -> bool:
        return bool(self.text)

    def strip(self) -> "Traced":
        """Without white space around it."""
        lead = len(self.text) - len(self.text.lstrip())
        return self[lead : len(self.text.rstrip())]

    def line(self, number: int) -> Line:
        """This text as a line of a definition file."""
        if isinstance(self.places, range):
            return Line(number, self.text, ((0, self.places.start),) if self.text else ())
        pieces: list[tuple[int, int]] = []
        expected = None
        for at, place in enumerate(self.places):
            if place != expected:
                pieces.append((at, place))
            expected = NOWHERE if place == NOWHERE else place + 1
        return Line(number, self.text, tuple(pieces))
