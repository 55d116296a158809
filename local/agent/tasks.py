"""The kinds of steps that the agent runs; each does what the service's own does, with real parts."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.agent.job import JobRunner, StepProblem, copy_tree
from local.agent.pipeline import Step
from local.identity import TENANT


def _script(runner: JobRunner, step: Step) -> None:
    runner.script(step.inputs[step.kind], step)


def _checkout(runner: JobRunner, step: Step) -> None:
    if step.inputs["checkout"] == "none":
        return
    if step.inputs["checkout"] != "self":
        raise StepProblem(f"`checkout: {step.inputs['checkout']}` is not known to this agent: only `self` and `none`")
    context = runner.context
    sources = Path(context.variables["Build.SourcesDirectory"])
    shutil.rmtree(sources, ignore_errors=True)
    environment = {**context.machine.environment(), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    # For this one program: what it needs to sign in is not kept in the checkout, where the job's steps could read it.
    signed_in = {
        **environment,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {context.machine.access_token()}",
    }
    runner.process(
        ["git", "clone", "--quiet", "--no-checkout", context.clone_url, str(sources)], sources.parent, signed_in
    )
    runner.process(["git", "checkout", "--quiet", "--detach", context.commit], sources, environment)


def _publish(runner: JobRunner, step: Step) -> None:
    context = runner.context
    source = Path(context.expand(step.inputs["publish"]))
    name = context.expand(step.inputs.get("artifact") or context.plan.name)
    if not source.exists():
        raise StepProblem(f"Path does not exist: {source}")
    destination = context.timeline.folder / "artifacts" / name
    if destination.exists():
        raise StepProblem(f"Artifact {name} already exists for build {context.variables['Build.BuildId']}.")
    copy_tree(source, destination)
    runner.log(f"Published {source} as artifact {name}")


def _use_python_version(runner: JobRunner, step: Step) -> None:
    context = runner.context
    version = context.expand(step.inputs.get("versionSpec", "3.x"))
    location = context.machine.python_location(version)
    if location is None:
        raise StepProblem(
            f"Version spec {version} for architecture x64 did not match any version in Agent.ToolsDirectory."
        )
    if step.inputs.get("addToPath", "true").casefold() == "true":
        context.path.insert(0, str(location / "bin"))
    runner.set_output("pythonLocation", str(location))  # task.json declares it as an output variable
    runner.log(f"Found Python {version} in {location}")


def _pip_authenticate(runner: JobRunner, step: Step) -> None:
    """The first feed becomes PIP_INDEX_URL, further ones PIP_EXTRA_INDEX_URL, with the job's own token inside."""
    context = runner.context
    indexes = context.machine.feed_indexes()
    addresses = []
    for name in (part.strip() for part in context.expand(step.inputs.get("artifactFeeds", "")).split(",")):
        address = next((url for feed, url in indexes.items() if feed.casefold() == name.casefold()), None)
        if address is None:
            raise StepProblem(f"The feed '{name}' is not there, or the build service may not read it.")
        addresses.append(address)
        context.secrets.append(address.split("//", 1)[1].split("@", 1)[0].split(":", 1)[1])
    if step.inputs.get("onlyAddExtraIndex", "false").casefold() == "true":
        context.set("PIP_EXTRA_INDEX_URL", " ".join(addresses))
        return
    context.set("PIP_INDEX_URL", addresses[0])
    if addresses[1:]:
        context.set("PIP_EXTRA_INDEX_URL", " ".join(addresses[1:]))


def _azure_cli(runner: JobRunner, step: Step) -> None:
    """Signed in while its script runs, and not a moment longer."""
    context = runner.context
    name = context.expand(step.inputs.get("azureSubscription", ""))
    if name not in context.machine.connections:
        raise StepProblem(f"The service connection {name} is not there, or the pipeline may not use it.")
    for key, only in (("scriptType", "bash"), ("scriptLocation", "inlineScript")):
        if step.inputs.get(key) != only:
            raise StepProblem(f"`{key}: {step.inputs.get(key)}` is not known to this agent: only `{only}`")
    token = context.machine.connections[name]()
    context.secrets.append(token)
    with signed_in(token, Path(context.variables["Agent.TempDirectory"])) as variables:
        runner.script(step.inputs.get("inlineScript", ""), step, {**context.machine.azure_environment, **variables})


@contextmanager
def signed_in(token: str, temp: Path) -> Iterator[Mapping[str, str]]:
    """Have the Azure CLI signed in for a while; gives the variables that tell it so."""
    expires = datetime.now(UTC) + timedelta(minutes=60)
    # What `az account get-access-token --output json` prints.
    shown = {
        "accessToken": token,
        "expiresOn": f"{expires.astimezone():%Y-%m-%d %H:%M:%S.%f}",
        "expires_on": int(expires.timestamp()),
        "subscription": "",
        "tenant": TENANT,
        "tokenType": "Bearer",
    }
    with tempfile.TemporaryDirectory(dir=temp) as folder:
        (Path(folder) / "token").write_text(json.dumps(shown))
        yield {"AZURE_CONFIG_DIR": folder}


KINDS: Mapping[str, Callable[[JobRunner, Step], None]] = {
    "script": _script,
    "bash": _script,
    "checkout": _checkout,
    "publish": _publish,
    "UsePythonVersion@0": _use_python_version,
    "PipAuthenticate@1": _pip_authenticate,
    "AzureCLI@2": _azure_cli,
}
