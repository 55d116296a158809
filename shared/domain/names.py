"""Names of packages.

A name that went through `package_name` is in the normalised form of PEP 503 and has the type to show for it.
"""

import re
from functools import lru_cache
from sys import intern
from typing import NewType

from packaging.utils import InvalidName as PackagingInvalidName
from packaging.utils import canonicalize_name

from shared.errors import InvalidName

PackageName = NewType("PackageName", str)

# PyPI itself takes no longer names; packaging sets no bound.
LONGEST_NAME = 200

_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SEPARATORS = re.compile(r"[-_.]+")


def package_name(text: str) -> PackageName:
    """Return the normalised form of a package's name.

    Raises:
        InvalidName: `text` is no valid name, or unreasonably long.
    """
    if len(text) > LONGEST_NAME:
        raise InvalidName(f"a package name of {len(text)} characters (at most {LONGEST_NAME})")
    try:
        return PackageName(canonicalize_name(text, validate=True))
    except PackagingInvalidName:
        raise InvalidName(f"{text!r} is not a package name") from None


@lru_cache(maxsize=512)
def mention(name: PackageName) -> re.Pattern[str]:
    """Return a pattern that finds every spelling of a name in a text.

    It finds too much (`our-pkg-extra` holds `our-pkg`) and never too little, so a text that it does not match
    has nothing to do with the package.
    """
    spelled = r"[-_.]+".join(re.escape(part) for part in name.split("-"))
    return re.compile(rf"(?<![A-Za-z0-9]){spelled}(?![A-Za-z0-9])", re.IGNORECASE | re.ASCII)


def words_of(text: str) -> frozenset[str]:
    """Every word of a text that may be a package's name, in normalised form (PEP 503)."""
    return frozenset(_normal(word) for word in set(_WORD.findall(text)))


def _normal(word: str) -> str:
    plain = "_" not in word and "." not in word and "--" not in word
    # The same few words stand in thousands of files.
    return intern(word.lower() if plain else _SEPARATORS.sub("-", word).lower())
