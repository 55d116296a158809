"""What azure-ai-ml accepts although Azure ML refuses it, or takes it for something else: found before any upload."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.domain.inventory.build_blockers import name_blocker
from shared.domain.inventory.environments import Environment, build_beside
from shared.steps.job_state import StepFailed

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,30}")
_IMAGE = re.compile(r"[^\s'\"\\]+")
_CONTENT = ("build", "image", "conda_file")


def check_definition(document: dict[str, Any], environment: Environment) -> None:
    """Refuse an environment's YAML that would be registered wrongly, or not at all.

    Raises:
        StepFailed: naming everything that is wrong with it.
    """
    problems = _problems(document)
    if problems:
        raise StepFailed(f"{environment.path}: {'; '.join(problems)}")


def check_with_sdk(file: Path, environment: Environment) -> None:
    """Have azure-ai-ml read the staged YAML, before anything is downloaded for it.

    Raises:
        StepFailed: naming the fields that it does not take.
    """
    from azure.ai.ml import load_environment

    try:
        load_environment(file)
    except Exception as problem:
        raise StepFailed(f"{environment.path}: {_of_sdk(str(problem))}") from problem


def _of_sdk(message: str) -> str:
    """What azure-ai-ml says, in one line: its first line names no cause, the JSON in it does."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    try:
        fields, _ = json.JSONDecoder().raw_decode(message[message.index("{") :])
    except ValueError:
        return f"azure-ai-ml does not take it: {lines[0] if lines else 'it does not say why'}"
    return "; ".join(f"`{name}`: {why}" for name, why in _leaves(fields))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    else:
        yield name, str(value)


def _problems(document: dict[str, Any]) -> list[str]:
    found = []
    name, version = document.get("name"), document.get("version")
    if why := name_blocker(name if isinstance(name, str) else str(name)):
        found.append(why)
    if isinstance(version, float):
        found.append(f"`version` {version} is a number with a point: write it in quotes, or 1.10 becomes 1.1")
    elif version is not None and (isinstance(version, bool) or not isinstance(version, str | int)):
        found.append(f"`version` {version} is no text: write it in quotes")
    elif version is not None and not _VERSION.fullmatch(str(version)):
        found.append(f"`version` {version!r} is not a version that Azure ML takes")
    present = [key for key in _CONTENT if document.get(key) is not None]
    if "build" in present and (why := build_beside(present[1:])):
        found.append(why)
    build = document.get("build")
    if build is not None and not (isinstance(build, dict) and build.get("path")):
        found.append("`build` has no `path`")
    if not present:
        found.append("it has neither `build` nor `image` with `conda_file`")
    if "conda_file" in present and "image" not in present:
        found.append("`conda_file` needs an `image`")
    image, tags = document.get("image"), document.get("tags")
    if image is not None and not (isinstance(image, str) and _IMAGE.fullmatch(image)):
        found.append(f"`image` {image!r} is no name of an image")
    if tags is not None and not (
        isinstance(tags, dict) and all(isinstance(text, str) for pair in tags.items() for text in pair)
    ):
        found.append("`tags` is not a map of texts: write keys and values in quotes")
    return found
