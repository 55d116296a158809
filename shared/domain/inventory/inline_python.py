"""Environments that Python code makes: `Environment(…)` of azure-ai-ml and azureml-core. Read, never executed.

Only what is written out counts: a path, a list or a map that the code works out is said to be unknown.
"""

import ast
import re
import warnings
from collections.abc import Iterator

from shared.domain.definitions import Definition, Entry, Line
from shared.domain.definitions.requirements import read_entries, words_of_entries
from shared.domain.files.text import SourceText
from shared.domain.inventory.environments import EnvironmentFile
from shared.domain.inventory.inline import InPlace
from shared.errors import Unreadable
from shared.limits import PYTHON_CHARACTERS

_MODULES = ("azure.ai.ml", "azureml")
_CLASS = "Environment"
_MAY_MATTER = re.compile(rf"\b{_CLASS}\s*(?:\(|\.\s*from_)")
_CONTENT = {"image", "conda_file", "build"}
# azureml-core: what stands in a file, and in which argument.
_FROM_CONDA, _FROM_PIP = "from_conda_specification", "from_pip_requirements"


def read_python(source: SourceText) -> tuple[InPlace, ...]:
    """Read the environments that a Python file makes.

    Raises:
        Unreadable: it may make some and is not Python, or is too long.
    """
    text = source.text
    if not any(module in text for module in _MODULES) or not _MAY_MATTER.search(text):
        return ()
    if len(text) > PYTHON_CHARACTERS:
        raise Unreadable(f"it is Python of more than {PYTHON_CHARACTERS // 1024} KiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text)
    except SyntaxError as problem:
        raise Unreadable("it is not Python", problem.lineno) from None
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable("it is not Python that can be read") from None
    code = _Code(source, tree)
    return tuple(found for node in ast.walk(tree) if isinstance(node, ast.Call) for found in code.environment(node))


class _Code:
    def __init__(self, source: SourceText, tree: ast.Module) -> None:
        self._source = source
        # The names by which the file calls what it imports of Azure ML.
        self._names = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and _is_azure_ml(node.module)
            for alias in node.names
        }

    def environment(self, call: ast.Call) -> Iterator[InPlace]:
        """Yield the environment that a call makes, if it makes one."""
        given = {word.arg: word.value for word in call.keywords if word.arg}
        if self._is_class(call.func) and given.keys() & _CONTENT:
            yield self._of_arguments(call, given)
        elif isinstance(call.func, ast.Attribute) and self._is_class(call.func.value):
            if call.func.attr not in (_FROM_CONDA, _FROM_PIP):
                return
            file = given.get("file_path") or (call.args[1] if len(call.args) > 1 else None)
            path, wrong = _literal(file), []
            if path is None:
                wrong.append((call.lineno, "its `file_path` is not written out"))
            is_conda = call.func.attr == _FROM_CONDA
            found = EnvironmentFile(self._source, "", conda_file=path if is_conda else None, unreadable=tuple(wrong))
            yield InPlace(call.lineno, found, requirements=None if is_conda else path, loose=True)

    def _is_class(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return self._names.get(node.id) == _CLASS
        # `azureml.core.Environment`, `entities.Environment`: another library's has no such arguments.
        return isinstance(node, ast.Attribute) and node.attr == _CLASS

    def _of_arguments(self, call: ast.Call, given: dict[str, ast.expr]) -> InPlace:
        wrong: list[tuple[int | None, str]] = []
        conda, build = given.get("conda_file"), given.get("build")
        path, context, dockerfile, definition = _literal(conda), None, None, None
        if isinstance(conda, ast.Dict):
            definition = self._conda(conda)
        elif conda is not None and path is None and not _is_none(conda):
            wrong.append((conda.lineno, "its `conda_file` is not written out"))
        if build is not None and not _is_none(build):
            parts = {word.arg: word.value for word in build.keywords} if isinstance(build, ast.Call) else {}
            context, dockerfile = _literal(parts.get("path")), _literal(parts.get("dockerfile_path"))
            if context is None:
                wrong.append((build.lineno, "its `build` is not written out"))
        found = EnvironmentFile(
            source=self._source,
            name="",
            build_path=context,
            dockerfile=dockerfile or "Dockerfile",
            image=_literal(given.get("image")),
            conda_file=path,
            conda=definition,
            unreadable=tuple(wrong),
        )
        return InPlace(call.lineno, found, loose=True)

    def _conda(self, node: ast.Dict) -> Definition:
        """The `pip:` lists of a conda map that stands in the code."""
        lists = [
            value
            for part in ast.walk(node)
            if isinstance(part, ast.Dict)
            for key, value in zip(part.keys, part.values, strict=True)
            if key is not None and _literal(key) == "pip" and isinstance(value, ast.List)
        ]
        lines = tuple(
            Entry(Line(item.lineno, text, ()))
            for found in lists
            for item in found.elts
            if (text := _literal(item)) is not None
        )
        return Definition(self._source, lambda: lines, read_entries, words=words_of_entries(lines))


def _is_azure_ml(module: str | None) -> bool:
    return module is not None and any(module == one or module.startswith(f"{one}.") for one in _MODULES)


def _literal(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
