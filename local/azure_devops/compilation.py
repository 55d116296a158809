"""Compiles a pipeline's YAML with all of its templates, as the service does before it answers a request for a run.

What it refuses, it refuses here, in the service's words as far as they are known; nothing is queued then.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from local.agent.expressions import Unknown
from local.agent.pipeline import StagePlan, plan_pipeline
from local.agent.template import Read, compile_pipeline


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pipeline with everything expanded that is expanded before it runs.

    Attributes:
        stages: what an agent runs.
        final_yaml: the whole as text, which a preview answers with.
        free_text: the given parameters whose values somebody made up: no list of values allows them.
    """

    stages: list[StagePlan]
    final_yaml: str
    free_text: frozenset[str]


def compiled(
    read: Read, path: str, given: Mapping[str, Any], variables: Mapping[str, str], connections: Collection[str]
) -> Compiled:
    """Compile a pipeline.

    Args:
        read: returns the text of a file of the repository, or raises `Unknown`.
        path: the pipeline's YAML.
        given: the run's `templateParameters`: strings only, anything else cannot be sent.
        variables: what is known before the run.
        connections: the service connections that the pipeline may use.

    Raises:
        Unknown: the service would refuse the run, or the YAML holds something that the agent does not know.
    """
    for name, value in given.items():
        if not isinstance(value, str):
            raise Unknown(f"/{path}: Unable to convert the value of parameter '{name}' to String")
    document = compile_pipeline(read, path, given, variables)
    stages = plan_pipeline(document)
    _check_connections(stages, connections)
    return Compiled(
        stages=stages,
        final_yaml=yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False),
        free_text=frozenset(given.keys() - _listed(read(path))),
    )


def _check_connections(stages: list[StagePlan], connections: Collection[str]) -> None:
    for job in (job for stage in stages for job in stage.jobs):
        for step in job.steps:
            name = step.inputs.get("azureSubscription", "")
            if name and "$(" not in name and name not in connections:
                raise Unknown(
                    f"The pipeline is not valid. Job {job.name}: Step {step.name or step.label} input "
                    f"azureSubscription references service connection {name} which could not be found. The service "
                    "connection does not exist, has been disabled or has not been authorized for use."
                )


def _listed(text: str) -> set[str]:
    """The parameters that take only values of a list."""
    document = yaml.load(text, Loader=yaml.CBaseLoader)
    return {str(one["name"]) for one in document.get("parameters") or [] if one.get("values")}
