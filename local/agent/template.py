"""Compile time: reads a pipeline's YAML, follows `extends` and `template`, expands `${{ }}`."""

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from local.agent.expressions import Unknown, as_text, evaluate, is_true

_WHOLE = re.compile(r"\s*\$\{\{(?P<expression>(?:(?!\}\}).)*)\}\}\s*", re.DOTALL)
_INSIDE = re.compile(r"\$\{\{(?P<expression>(?:(?!\}\}).)*)\}\}", re.DOTALL)
_DIRECTIVE = re.compile(r"\s*\$\{\{\s*(?P<word>if|elseif|else|each|insert)\b(?P<rest>(?:(?!\}\}).)*)\}\}\s*", re.DOTALL)
_EACH = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)\s+in\s+(?P<collection>.+)", re.DOTALL)
_ROOT_KEYS = {
    "trigger",
    "pr",
    "parameters",
    "variables",
    "pool",
    "name",
    "stages",
    "jobs",
    "steps",
    "extends",
    "lockBehavior",
}
_TEMPLATE_KEYS = {"parameters", "variables", "stages", "jobs", "steps"}

type Read = Callable[[str], str]


def compile_pipeline(read: Read, path: str, given: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, Any]:
    """Return a pipeline with everything expanded that is expanded before it runs.

    Args:
        read: returns the text of a file of the repository, or raises `Unknown`.
        path: the pipeline's YAML.
        given: the run's parameters.
        variables: what is known before the run, such as `Build.SourceBranch`.

    Raises:
        Unknown: the YAML is broken, or holds something that this agent does not know.
    """
    document = _load(read(path), path)
    _only(document, _ROOT_KEYS, path)
    names = {"parameters": _parameters(document, given, path), "variables": variables}
    body = {key: value for key, value in document.items() if key != "parameters"}
    compiler = _Compiler(read)
    expanded = compiler.expand(body, names, path)
    if "extends" not in expanded:
        return _map_of(compiler.included(expanded, names, path), path)
    extends = expanded.pop("extends")
    if not isinstance(extends, dict) or "template" not in extends:
        raise Unknown(f"{path}: `extends` names no template")
    _only(extends, {"template", "parameters"}, path)
    inner = compiler.template(str(extends["template"]), extends.get("parameters") or {}, names, path)
    return {**expanded, **inner}


class _Compiler:
    def __init__(self, read: Read) -> None:
        self._read = read

    def template(self, name: str, given: Mapping[str, Any], names: Mapping[str, Any], origin: str) -> dict[str, Any]:
        """Expand a template file, named relative to the file that includes it."""
        if "@" in name:
            raise Unknown(f"{origin}: templates of other repositories (`{name}`) are not known to this agent")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), name)).lstrip("/")
        document = _load(self._read(path), path)
        _only(document, _TEMPLATE_KEYS, path)
        inner = {"parameters": _parameters(document, given, path), "variables": names["variables"]}
        body = {key: value for key, value in document.items() if key != "parameters"}
        return _map_of(self.included(self.expand(body, inner, path), inner, path), path)

    def included(self, node: Any, names: Mapping[str, Any], path: str) -> Any:
        """Replace `- template:` items of lists by what the templates hold."""
        if isinstance(node, dict):
            return {key: self.included(value, names, path) for key, value in node.items()}
        if not isinstance(node, list):
            return node
        found: list[Any] = []
        for item in node:
            if isinstance(item, dict) and "template" in item:
                _only(item, {"template", "parameters"}, path)
                inner = self.template(str(item["template"]), item.get("parameters") or {}, names, path)
                lists = [value for key, value in inner.items() if key in ("stages", "jobs", "steps")]
                if len(lists) != 1:
                    raise Unknown(f"{item['template']}: a template in a list holds stages, jobs or steps")
                found.extend(lists[0])
            else:
                found.append(self.included(item, names, path))
        return found

    def expand(self, node: Any, names: Mapping[str, Any], path: str) -> Any:
        """Expand everything in a node."""
        if isinstance(node, str):
            return self._text(node, names, path)
        if isinstance(node, list):
            return self._list(node, names, path)
        if isinstance(node, dict):
            return self._map(node, names, path)
        return node

    def _evaluate(self, text: str, names: Mapping[str, Any], path: str) -> Any:
        try:
            return evaluate(text, names)
        except Unknown as problem:
            raise Unknown(f"{path}: {problem}") from None

    def _text(self, text: str, names: Mapping[str, Any], path: str) -> Any:
        if whole := _WHOLE.fullmatch(text):
            return self._evaluate(whole["expression"], names, path)
        return _INSIDE.sub(lambda found: as_text(self._evaluate(found["expression"], names, path)), text)

    def _list(self, node: list[Any], names: Mapping[str, Any], path: str) -> list[Any]:
        found: list[Any] = []
        taken = False
        for item in node:
            directive = _directive(item)
            if directive is None:
                value = self.expand(item, names, path)
                # An expression that stands for a list in a list gives its items.
                found.extend(value) if isinstance(item, str) and isinstance(value, list) else found.append(value)
                continue
            word, rest, body = directive
            for inner in self._chosen(word, rest, names, path, taken=taken):
                value = self.expand(body, inner, path)
                found.extend(value if isinstance(value, list) else [value])
            taken = self._taken(word, rest, names, path, taken=taken)
        return found

    def _map(self, node: dict[str, Any], names: Mapping[str, Any], path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        taken = False
        for key, body in node.items():
            directive = _directive({key: body})
            if directive is None:
                found[as_text(self._text(key, names, path))] = self.expand(body, names, path)
                continue
            word, rest, _ = directive
            for inner in self._chosen(word, rest, names, path, taken=taken):
                value = self.expand(body, inner, path)
                if not isinstance(value, dict):
                    raise Unknown(f"{path}: `{word}` in a map needs a map")
                found.update(value)
            taken = self._taken(word, rest, names, path, taken=taken)
        return found

    def _chosen(
        self, word: str, rest: str, names: Mapping[str, Any], path: str, *, taken: bool
    ) -> list[Mapping[str, Any]]:
        """The sets of names that a directive's body is expanded with: none, one, or one for each item."""
        match word:
            case "if":
                return [names] if is_true(self._evaluate(rest, names, path)) else []
            case "elseif":
                return [names] if not taken and is_true(self._evaluate(rest, names, path)) else []
            case "else":
                return [] if taken else [names]
            case "each":
                each = _EACH.fullmatch(rest)
                if each is None:
                    raise Unknown(f"{path}: `each{rest}` cannot be read")
                collection = self._evaluate(each["collection"], names, path)
                if isinstance(collection, Mapping):
                    collection = [{"key": key, "value": value} for key, value in collection.items()]
                if not isinstance(collection, list):
                    raise Unknown(f"{path}: `each` needs a list or a map")
                return [{**names, each["name"]: item} for item in collection]
            case _:
                raise Unknown(f"{path}: `{word}` is not known to this agent")

    def _taken(self, word: str, rest: str, names: Mapping[str, Any], path: str, *, taken: bool) -> bool:
        if word == "if":
            return is_true(self._evaluate(rest, names, path))
        if word == "elseif":
            return taken or is_true(self._evaluate(rest, names, path))
        return taken


def _directive(item: Any) -> tuple[str, str, Any] | None:
    if isinstance(item, dict) and len(item) == 1:
        ((key, body),) = item.items()
        if found := _DIRECTIVE.fullmatch(str(key)):
            return found["word"], found["rest"], body
    return None


def _load(text: str, path: str) -> dict[str, Any]:
    document = _yaml(text, path)
    if not isinstance(document, dict):
        raise Unknown(f"{path}: it is no pipeline")
    return document


def _yaml(text: str, path: str) -> Any:
    try:
        # Every scalar stays text: what is a number or a boolean is decided by the parameter's type.
        return yaml.load(text, Loader=yaml.CBaseLoader)
    except yaml.YAMLError as problem:
        raise Unknown(f"{path}: {' '.join(str(problem).split())}") from None


def _map_of(node: Any, path: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise Unknown(f"{path}: it expands to no map")
    return node


def _only(document: Mapping[str, Any], known: set[str], path: str) -> None:
    for key in document:
        if key not in known and not _DIRECTIVE.fullmatch(key):
            raise Unknown(f"{path}: the key `{key}` is not known to this agent")


def _parameters(document: Mapping[str, Any], given: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The values of the declared parameters, in their types."""
    declared = {str(parameter["name"]): parameter for parameter in document.get("parameters") or []}
    for name in given:
        if name not in declared:
            raise Unknown(f"{path}: Unexpected parameter '{name}'")
    values = {}
    for name, parameter in declared.items():
        if name not in given and "default" not in parameter:
            raise Unknown(f"{path}: A value for the '{name}' parameter must be provided.")
        value = given.get(name, parameter.get("default"))
        values[name] = _typed(str(parameter.get("type", "string")), value, name, path)
        allowed = parameter.get("values")
        if allowed and as_text(values[name]) not in [str(one) for one in allowed]:
            raise Unknown(f"{path}: The '{name}' parameter value '{value}' is not a valid value.")
    return values


def _typed(kind: str, value: Any, name: str, path: str) -> Any:
    match kind:
        case "string":
            return as_text(value)
        case "number":
            try:
                return float(as_text(value))
            except ValueError:
                raise Unknown(f"{path}: The '{name}' parameter value '{value}' is not a valid Number.") from None
        case "boolean":
            if as_text(value).casefold() not in ("true", "false"):
                raise Unknown(f"{path}: The '{name}' parameter value '{value}' is not a valid Boolean.")
            return as_text(value).casefold() == "true"
        case "object" | "stringList":
            # A run's parameters travel as text, which is read as YAML.
            return _yaml(value, path) if isinstance(value, str) else value
        case _:
            raise Unknown(f"{path}: parameter '{name}' has type '{kind}', which is not known to this agent")
