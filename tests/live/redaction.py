"""Takes out of what was seen what is nobody's business: tokens, people, ids and the names of the organisation."""

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?")
_SIGNATURE = re.compile(r"\b(sig|code|token|key)=[^&\s\"']+", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_GUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
# Fields that hold a secret, or a person, whatever they hold.
_SECRET_FIELD = re.compile(r"(token|secret|password|credential|signature|accountkey)$", re.IGNORECASE)
_PERSON_FIELDS = frozenset({"displayname", "uniquename", "descriptor", "imageurl", "email", "principalname"})
# The segment of an address that follows one of these is a name.
_NAMED = {
    "repositories": "<repository>", "_git": "<repository>", "feeds": "<feed>", "_packaging": "<feed>",
    "subscriptions": "<subscription>", "resourcegroups": "<resource-group>", "workspaces": "<workspace>",
}  # fmt: skip
_API = frozenset({"_apis", "_git", "_packaging", "_build"})
# What makes an object a person; its name is one's too.
_PERSON_MARKS = frozenset({"email", "uniquename"})
SECRET = "<secret>"
PERSON = "<person>"


class Redactor:
    """Replaces the same thing by the same word, as long as it lives."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """Replace these names, too; the longest first."""
        self._guids: dict[str, str] = {}
        # In an address these are words of the API, unless they stand where a name does.
        self._words = {name for name, word in names.items() if word != "<run>"}
        self._names = [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE), word)
            for name, word in sorted(names.items(), key=lambda item: -len(item[0]))
            if name
        ]

    def text(self, text: str) -> str:
        """Redact a text."""
        text = _TOKEN.sub(SECRET, text)
        text = _SIGNATURE.sub(rf"\1={SECRET}", text)
        text = _EMAIL.sub(PERSON, text)
        for pattern, word in self._names:
            text = pattern.sub(word, text)
        return _GUID.sub(lambda found: self._guid(found[0]), text)

    def path(self, path: str) -> str:
        """Redact the path of an address: what is a name in it is told by where it stands, whatever it is called."""
        segments = path.split("/")
        api = next((at for at, segment in enumerate(segments) if segment.casefold() in _API), 0)
        for at, segment in enumerate(segments):
            before = segments[at - 1].casefold() if at else ""
            if segment and 0 < at < api:
                segments[at] = "<organization>" if at == 1 else "<project>"
            elif segment and before in _NAMED and at != api:
                view = segment.partition("@")[2]
                segments[at] = _NAMED[before] + (f"@{view}" if view else "")
            elif segment not in self._words:
                segments[at] = self.text(segment)
        return "/".join(segments)

    def value(self, value: Any, field: str = "") -> Any:
        """Redact a JSON value; `field` is the name that it goes by."""
        name = field.casefold()
        if isinstance(value, dict):
            is_person = any(key.casefold() in _PERSON_MARKS for key in value)
            return {
                # Keys may be names of the user's own, such as tags.
                self.text(key): PERSON if is_person and key.casefold() == "name" else self.value(one, key)
                for key, one in value.items()
            }
        if isinstance(value, list):
            return [self.value(one, field) for one in value]
        if not isinstance(value, str):
            return value
        if _SECRET_FIELD.search(name):
            return SECRET
        if name in _PERSON_FIELDS:
            return PERSON
        return self.text(value)

    def _guid(self, guid: str) -> str:
        return self._guids.setdefault(guid.casefold(), f"<guid-{len(self._guids) + 1}>")
