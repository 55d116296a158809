"""What azure-ai-ml accepts although Azure ML refuses it, or takes it for something else: found before any upload."""

import re
from typing import Any

from shared.domain.environments import Environment
from shared.steps.work import StepFailed

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,30}")
_CONTENT = ("build", "image", "conda_file")


def check_definition(document: dict[str, Any], environment: Environment) -> None:
    """Refuse an environment's YAML that would be registered wrongly, or not at all.

    Raises:
        StepFailed: naming everything that is wrong with it.
    """
    problems = _problems(document)
    if problems:
        raise StepFailed(f"{environment.path}: {'; '.join(problems)}")


def _problems(document: dict[str, Any]) -> list[str]:
    found = []
    name, version = document.get("name"), document.get("version")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        found.append(f"`name` {name!r} is not a name that Azure ML takes")
    elif name.casefold().startswith("azureml"):
        found.append("`name` begins with AzureML, which is kept for Microsoft's own")
    if isinstance(version, float):
        found.append(f"`version` {version} is a number with a point: write it in quotes, or 1.10 becomes 1.1")
    elif version is not None and not _VERSION.fullmatch(str(version)):
        found.append(f"`version` {version!r} is not a version that Azure ML takes")
    present = [key for key in _CONTENT if document.get(key) is not None]
    if "build" in present and len(present) > 1:
        found.append(f"`build` goes with neither `image` nor `conda_file` (it has {' and '.join(present[1:])})")
    build = document.get("build")
    if build is not None and not (isinstance(build, dict) and build.get("path")):
        found.append("`build` has no `path`")
    if not present:
        found.append("it has neither `build` nor `image` with `conda_file`")
    if "conda_file" in present and "image" not in present:
        found.append("`conda_file` needs an `image`")
    tags = document.get("tags")
    if tags is not None and not (isinstance(tags, dict) and all(isinstance(value, str) for value in tags.values())):
        found.append("`tags` is not a map of texts: write the values in quotes")
    return found
