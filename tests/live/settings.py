"""What the environment variables name: everything that the tests may touch."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.releases import FeedName
from shared.domain.targets import Target, Workspace

PREFIX = "REBUILDER_LIVE_"

REQUIRED: Mapping[str, str] = {
    "ORGANIZATION": "address of the Azure DevOps organisation, https://dev.azure.com/NAME",
    "PROJECT": "project of repository and pipelines",
    "REPOSITORY": "repository for the tests alone",
    "PIPELINE": "id of a pipeline of that repository, for the tests alone",
    "PIPELINE_FILE": "path of that pipeline's YAML file in the repository",
    "HELD_PIPELINE": "id of another one, for the tests alone, whose runs wait for an approval",
    "PROTECTED_BRANCH": "branch that a policy closes to pushes; one file at least",
    "FEED": "feed for the tests alone, PROJECT/NAME or NAME, with the public index as its upstream source",
    "SUBSCRIPTION": "id of the subscription of the workspace",
    "RESOURCE_GROUP": "resource group of the workspace",
    "WORKSPACE": "Azure ML workspace",
}
OPTIONAL: Mapping[str, tuple[str, str]] = {
    "PUBLIC_PACKAGE": ("NAME==VERSION of a small wheel that the feed takes from the public index", "iniconfig==2.0.0"),
    "VM_IMAGE": ("image of the hosted agents", "ubuntu-22.04"),
    "RUN_ID": ("made up at the start of a run", ""),
}

# Begins every name of what the tests create, so that it can be found and removed again.
MARK = "rebuilder-live"


class Missing(Exception):
    """Variables that are not set or cannot be right, each with a line for a person."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What the tests may touch.

    Attributes:
        target: repository, branch-less, with the pipeline and the feed.
        pipeline_file: path of the pipeline's YAML file, without a slash at the beginning.
        held_pipeline: id of the pipeline whose runs wait for an approval.
        protected_branch: takes no pushes.
        public: name and version of the package from the public index.
        vm_image: of the agents.
        run: identity of this run of the tests.
    """

    target: Target
    pipeline_file: str
    held_pipeline: int
    protected_branch: str
    public: tuple[str, str]
    vm_image: str
    run: str

    @property
    def feed(self) -> FeedName:
        """The feed."""
        return self.target.feeds[0]

    @property
    def workspace(self) -> Workspace:
        """The workspace."""
        return self.target.workspaces[0]

    @property
    def prefix(self) -> str:
        """Begins the name of everything that this run creates."""
        return f"{MARK}-{self.run}"

    def names(self) -> dict[str, str]:
        """Names that reports do not show, with what stands for them."""
        target = self.target
        return {
            target.organization: "https://<organization>",
            target.organization.rpartition("/")[2]: "<organization>",
            target.project: "<project>",
            target.repository: "<repository>",
            self.feed.name: "<feed>",
            self.workspace.subscription: "<subscription>",
            self.workspace.resource_group: "<resource-group>",
            self.workspace.name: "<workspace>",
            self.run: "<run>",
        }


def read_settings(environment: Mapping[str, str]) -> LiveSettings:
    """Read the variables.

    Raises:
        Missing: one line for each variable that is missing or wrong.
    """
    found = {name: environment.get(PREFIX + name, "").strip() for name in (*REQUIRED, *OPTIONAL)}
    lines = [f"{PREFIX}{name} is not set: {what}" for name, what in REQUIRED.items() if not found[name]]
    lines += [
        f"{PREFIX}{name} is {found[name]!r} and not a number: {REQUIRED[name]}"
        for name in ("PIPELINE", "HELD_PIPELINE")
        if found[name] and not found[name].isdecimal()
    ]
    if found["ORGANIZATION"] and not re.fullmatch(r"https?://[^/]+/[^/]+/?", found["ORGANIZATION"]):
        lines.append(f"{PREFIX}ORGANIZATION is {found['ORGANIZATION']!r}: {REQUIRED['ORGANIZATION']}")
    public = found["PUBLIC_PACKAGE"] or OPTIONAL["PUBLIC_PACKAGE"][1]
    name, pinned, version = public.partition("==")
    if not (name and pinned and version):
        lines.append(f"{PREFIX}PUBLIC_PACKAGE is {public!r}: {OPTIONAL['PUBLIC_PACKAGE'][0]}")
    if found["RUN_ID"] and not re.fullmatch(r"[a-z0-9]{1,12}", found["RUN_ID"]):
        lines.append(f"{PREFIX}RUN_ID is {found['RUN_ID']!r}: up to twelve lower-case letters and digits")
    if lines:
        raise Missing(lines)
    target = Target(
        name="live",
        organization=found["ORGANIZATION"].rstrip("/"),
        project=found["PROJECT"],
        repository=found["REPOSITORY"],
        branch="main",
        pipeline=int(found["PIPELINE"]),
        feeds=(FeedName.parse(found["FEED"]),),
        workspaces=(Workspace(found["SUBSCRIPTION"], found["RESOURCE_GROUP"], found["WORKSPACE"]),),
    )
    return LiveSettings(
        target=target,
        pipeline_file=found["PIPELINE_FILE"].lstrip("/"),
        held_pipeline=int(found["HELD_PIPELINE"]),
        protected_branch=found["PROTECTED_BRANCH"],
        public=(name, version),
        vm_image=found["VM_IMAGE"] or OPTIONAL["VM_IMAGE"][1],
        run=found["RUN_ID"] or secrets.token_hex(4),
    )
