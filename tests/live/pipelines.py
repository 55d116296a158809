"""Pipelines that the tests push and queue."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
# Those of the rebuild pipeline.
DECLARED: tuple[Mapping[str, object], ...] = tuple(
    yaml.safe_load((PROJECT / "azure-pipelines.yml").read_text())["parameters"]
)


def pipeline(
    jobs: Sequence[Mapping[str, object]], vm_image: str, parameters: Sequence[Mapping[str, object]] = DECLARED
) -> str:
    """A pipeline that nothing but a request starts. JSON is YAML, and nobody has to quote anything."""
    document = {
        "trigger": "none",
        "pr": "none",
        "parameters": list(parameters),
        "pool": {"vmImage": vm_image},
        "jobs": list(jobs),
    }
    if not parameters:
        del document["parameters"]
    return json.dumps(document, indent=1)


def skipped(name: str = "nothing", **more: object) -> dict[str, object]:
    """A job that is skipped, so that no agent is asked for."""
    return {"job": name, "condition": "false", "steps": [{"checkout": "none"}], **more}
