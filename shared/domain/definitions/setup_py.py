"""Reads what `setup.py` hands to `setup()`, as far as it stands there in literals; nothing is run.

Lists of texts are read, also through a variable that is set once; of anything else the requirements files count that
the script names, since it most likely reads them.
"""

import ast
import re
import warnings
from dataclasses import dataclass, field

from shared.domain.definitions.projects import Gathered, Project, normal_extra
from shared.domain.definitions.traced import Traced
from shared.domain.files.text import SourceText
from shared.errors import Unreadable

_LIST = re.compile(r"[\w./-]*require[\w./-]*\.(?:txt|in)", re.IGNORECASE)


def read_setup_py(source: SourceText) -> Project:
    """Read a `setup.py`.

    Raises:
        Unreadable: it is no Python of today.
    """
    setup = _Setup(source, Gathered(source))
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source.text)
        setup.read(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Unreadable("it is no Python that can be read") from None
    return Project(setup.found.definition(), complete=False, computed_extras=setup.computed_extras)


@dataclass(slots=True)
class _Setup:
    source: SourceText
    found: Gathered
    computed_extras: bool = False
    assigned: dict[str, list[ast.expr]] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)

    def read(self, tree: ast.Module) -> None:
        self.starts = [0, *(found.end() for found in re.finditer("\n", self.source.text))]
        calls: list[ast.Call] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.assigned.setdefault(target.id, []).append(node.value)
            elif isinstance(node, ast.AugAssign | ast.For | ast.With):
                for inner in ast.walk(node.target if isinstance(node, ast.AugAssign | ast.For) else node):
                    if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                        self.assigned.setdefault(inner.id, []).extend(_TWICE)
            elif isinstance(node, ast.Call) and _called(node) == "setup":
                calls.append(node)
            elif isinstance(node, ast.Call) and _called(node) in ("append", "extend", "insert"):
                name = node.func.value if isinstance(node.func, ast.Attribute) else None
                if isinstance(name, ast.Name):
                    self.assigned.setdefault(name.id, []).extend(_TWICE)
        if len(calls) != 1:
            self.found.opaque.append((None, "no single call of setup() in it"))
        for call in calls:
            self._call(tree, call)

    def _call(self, tree: ast.Module, call: ast.Call) -> None:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        computed = None in given  # `setup(**more)`
        if requires := given.get("install_requires"):
            texts = self._texts(requires)
            computed = computed or texts is None
            for text in texts or ():
                self._add(text, None)
        extras = self._resolved(given["extras_require"]) if "extras_require" in given else ast.Dict([], [])
        if not isinstance(extras, ast.Dict):
            self.computed_extras = True
            extras = ast.Dict([], [])
        for key, value in zip(extras.keys, extras.values, strict=True):
            texts = self._texts(value)
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str) or texts is None:
                self.computed_extras = True
                continue
            for text in texts:
                self._add(text, normal_extra(key.value))
        if computed:
            named = {node.value: node.lineno for node in ast.walk(tree)
                     if isinstance(node, ast.Constant) and isinstance(node.value, str)
                     and _LIST.fullmatch(node.value)}  # fmt: skip
            for path, number in named.items():
                self.found.include(path, number)
            if not named:
                line = requires.lineno if requires else call.lineno
                self.found.opaque.append((line, "what it requires is computed"))

    def _texts(self, node: ast.expr) -> list[ast.Constant] | None:
        """The texts of a list, or None if it does not stand there."""
        node = self._resolved(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._texts(node.left), self._texts(node.right)
            return None if left is None or right is None else left + right
        if not isinstance(node, ast.List | ast.Tuple):
            return None
        found = [one for one in node.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        return found if len(found) == len(node.elts) else None

    def _resolved(self, node: ast.expr) -> ast.expr:
        for _ in range(5):
            values = self.assigned.get(node.id, []) if isinstance(node, ast.Name) else []
            if len(values) != 1:
                break
            node = values[0]
        return node

    def _add(self, node: ast.Constant, extra: str | None) -> None:
        self.found.line(self._traced(node).line(node.lineno), extra)

    def _traced(self, node: ast.Constant) -> Traced:
        """The text with its places, if it stands in the file as it reads."""
        value = str(node.value)
        if node.lineno == node.end_lineno and node.lineno <= len(self.starts):
            start = self.starts[node.lineno - 1]
            line = self.source.text[
                start : self.starts[node.lineno] if node.lineno < len(self.starts) else None
            ].encode()
            at = start + len(line[: node.col_offset].decode(errors="replace"))
            if self.source.text[at : at + len(value) + 2] in (f'"{value}"', f"'{value}'"):
                return Traced.at(value, at + 1)
        return Traced.nowhere(value)


# What is set more than once, or changed, has no value that could be told.
_TWICE = [ast.Constant(None), ast.Constant(None)]


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
