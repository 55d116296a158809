"""How the cost of raising one pin grows with the file.

Ten times the lines should cost about ten times the time, whatever kind of file it is.
"""

import time
from collections.abc import Callable, Iterator

from shared.domain.definitions import Definition
from shared.domain.planning.explicit_bump import parse_release, raise_pins, read_definition

_SMALL, _LARGE = 10_000, 100_000
_RELEASE = parse_release("our-package==2.0")


def _requirements(lines: int) -> bytes:
    return b"".join(b"package-%d==1.0.%d  # why\n" % (n, n) for n in range(lines)) + b"our-package==1.0\n"


def _hashed(lines: int) -> bytes:
    one = b"package-%d==1.0 \\\n    --hash=sha256:" + b"a" * 64 + b"\n"
    return b"".join(one % n for n in range(lines // 2)) + b"our-package==1.0\n"


def _ours_alone(lines: int) -> bytes:
    return b"our-package==1.0\n" * lines


def _dockerfile(lines: int) -> bytes:
    return b"FROM x\n" + b"RUN pip install package==1.0\n" * lines + b"RUN pip install our-package==1.0\n"


def _one_instruction(lines: int) -> bytes:
    return b"FROM x\nRUN pip install \\\n" + b"  package==1.0 \\\n" * lines + b"  our-package==1.0\n"


def _conda(lines: int) -> bytes:
    listed = b"".join(b"  - package-%d==1.0\n" % n for n in range(lines // 10))
    return b"dependencies:\n- pip:\n" + listed + b"  - our-package==1.0\n"


_KINDS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "requirements": ("requirements.txt", _requirements),
    "hashes": ("requirements.txt", _hashed),
    "every line ours": ("requirements.txt", _ours_alone),
    "Dockerfile": ("Dockerfile", _dockerfile),
    "one long RUN": ("Dockerfile", _one_instruction),
    "conda (a tenth)": ("conda.yml", _conda),
}


def _seconds(name: str, raw: bytes) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        definition: Definition = read_definition(name, raw)
        edits, _ = raise_pins(name, definition, _RELEASE)
        best = min(best, time.perf_counter() - begun)
        if not edits:
            raise SystemExit(f"{name}: nothing was raised, so nothing was measured")
    return best


def measure() -> Iterator[str]:
    """A line for each kind of file."""
    for kind, (name, content) in _KINDS.items():
        small, large = _seconds(name, content(_SMALL)), _seconds(name, content(_LARGE))
        yield f"{kind:16} {_SMALL} lines {small:.3f} s, {_LARGE} lines {large:.3f} s: {large / small:.1f} times"
