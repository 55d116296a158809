"""Checks a run's parameters against the pipeline's YAML, as the service does before it queues the run."""

from collections.abc import Mapping
from typing import Any

import yaml

_TYPES = {"string", "number", "boolean", "object", "stringList"}


class ParameterProblem(Exception):
    """The service would refuse the run with this message."""


def check_parameters(text: str, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the value of every declared parameter, as text.

    Args:
        text: the pipeline's YAML.
        given: the run's `templateParameters`: strings only, anything else cannot be sent.

    Raises:
        ParameterProblem: broken YAML, an unknown parameter, one without a value, or one of the wrong type.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise ParameterProblem(str(problem).replace("\n", " ")) from None
    declared = document.get("parameters", []) if isinstance(document, dict) else []
    by_name = {str(parameter["name"]): parameter for parameter in declared}
    values: dict[str, str] = {}
    for name, value in given.items():
        if name not in by_name:
            raise ParameterProblem(f"Unexpected parameter '{name}'")
        if not isinstance(value, str):
            raise ParameterProblem(f"Unable to convert the value of parameter '{name}' to String")
        values[name] = _checked(by_name[name], value)
    for name, parameter in by_name.items():
        if name not in values and "default" not in parameter:
            raise ParameterProblem(f"A value for the '{name}' parameter must be provided.")
    return values


def _checked(parameter: Mapping[str, Any], value: str) -> str:
    name, kind = parameter["name"], str(parameter.get("type", "string"))
    if kind not in _TYPES:
        raise ParameterProblem(f"Parameter '{name}' has type '{kind}', which a run cannot set")
    if kind == "number":
        try:
            float(value)
        except ValueError:
            raise ParameterProblem(f"The '{name}' parameter value '{value}' is not a valid number") from None
    if kind == "boolean" and value.casefold() not in ("true", "false"):
        raise ParameterProblem(f"The '{name}' parameter value '{value}' is not a valid boolean")
    allowed = [str(one) for one in parameter.get("values", [])]
    if allowed and value not in allowed:
        raise ParameterProblem(f"The '{name}' parameter value '{value}' is not one of {', '.join(allowed)}")
    return value
