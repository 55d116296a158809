"""A stand in the role of the live services: `python -m tests.live.stand --folder FOLDER`.

It writes FOLDER/environment.sh, to be read by a shell: the variables that name it, those that azure-identity signs in
with, and those that lead requests to Azure's own host names here. Nothing else tells the tests what they talk to.
"""

import argparse
import json
import shlex
import signal
import threading
from pathlib import Path

from local.agent.agent import Agent, Place
from local.agent.machine import Machine
from local.azure_devops.api import AUDIENCE, BUILD_SERVICE
from local.azure_devops.events import BUILD_COMPLETED
from local.azure_devops.pipelines import Definition
from local.azure_devops.server import Organization
from local.azure_ml.proxy import Proxy
from local.azure_ml.server import HOSTS, AzureML
from local.certificates import make_certificates
from local.environments import PIPELINE_FOLDER, SAMPLE, serve_repository
from local.identity import PATH, make_token
from local.processes import hold_ports
from local.pythons import find_python
from local.stand import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE
from tests.contracts.worlds import PUBLIC_PACKAGE, PUBLIC_VERSION, Clone, OnePackageUpstream
from tests.live.pipelines import pipeline, skipped
from tests.live.settings import PREFIX

_HELD, _HELD_FILE = 9, "held.yml"
_FILE = f"{PIPELINE_FOLDER}/azure-pipelines.yml"


class LiveStand:
    """The parts of a stand that live tests need.

    Attributes:
        organization: the Azure DevOps stand-in.
        azure_ml: the Azure ML stand-in.
    """

    def __init__(self, folder: Path) -> None:
        devops_port, ml_port, proxy_port = hold_ports(3)
        self._certificates = make_certificates(folder / "certificates", ("localhost", *HOSTS))
        serve_repository(SAMPLE, folder / "azure-devops" / "repository.git")
        self.organization = Organization(
            port=devops_port,
            folder=folder / "azure-devops",
            upstream=OnePackageUpstream(folder / "public"),
        )
        self.organization.repository.protected = True
        repository = self.organization.repository
        held = pipeline([skipped()], "ubuntu-22.04", parameters=())
        Clone(str(repository.path), folder / "clone", repository.branch).commit({_HELD_FILE: held.encode()})
        self.organization.pipelines.define(Definition(_HELD, "held", _HELD_FILE, repository, check="Approval"))
        # One that is listed; there is nobody to call.
        self.organization.hooks.subscribe(BUILD_COMPLETED, "https://app.invalid/api/hooks", password="secret")
        self.azure_ml = AzureML(port=ml_port, certificates=self._certificates, workspaces=(WORKSPACE,))
        self._proxy = Proxy(proxy_port, dict.fromkeys(HOSTS, ml_port))
        self._agent = self._make_agent(folder / "agent")

    def start(self) -> None:
        """Start all parts."""
        self.organization.start()
        self.azure_ml.start()
        self._proxy.start()
        self.organization.pipelines.queued.append(self._agent.take)
        self._agent.start()

    def stop(self) -> None:
        """Stop all parts."""
        self._agent.stop()
        self._proxy.stop()
        self.azure_ml.stop()
        self.organization.stop()

    def environment(self) -> dict[str, str]:
        """The variables that name it, and that let our identity in."""
        names = self.organization.names
        named = {
            "ORGANIZATION": self.organization.url,
            "PROJECT": names.project,
            "REPOSITORY": names.repository,
            "PIPELINE": str(names.pipeline),
            "PIPELINE_FILE": _FILE,
            "HELD_PIPELINE": str(_HELD),
            "PROTECTED_BRANCH": "main",
            "FEED": self.organization.feed_name,
            "SUBSCRIPTION": SUBSCRIPTION,
            "RESOURCE_GROUP": RESOURCE_GROUP,
            "WORKSPACE": WORKSPACE,
            "PUBLIC_PACKAGE": f"{PUBLIC_PACKAGE}=={PUBLIC_VERSION}",
        }
        return {
            **{PREFIX + name: value for name, value in named.items()},
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self.organization.port}{PATH}",
            "IDENTITY_HEADER": self.organization.identity.header,
            "HTTPS_PROXY": self._proxy.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(self._certificates.bundle),
        }

    def _make_agent(self, folder: Path) -> Agent:
        organization, names = self.organization, self.organization.names
        machine = Machine(
            folder=folder,
            find_python=find_python,
            feed_indexes=lambda: {
                organization.feed_name: organization.feed_index(make_token(AUDIENCE, subject=BUILD_SERVICE))
            },
            access_token=lambda: make_token(AUDIENCE, subject=BUILD_SERVICE),
        )
        place = Place(names.project, organization.url, organization.clone_url)
        return Agent(machine=machine, place=place, folder=folder)


def main() -> None:
    """Serve until somebody ends this process."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.stand", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="an empty one, for all that is written")
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    ended = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: ended.set())
    stand = LiveStand(folder)
    stand.start()
    variables = stand.environment()
    (folder / "environment.sh").write_text("".join(f"export {n}={shlex.quote(v)}\n" for n, v in variables.items()))
    # Written last, and in one go: who waits for it finds all of it.
    (folder / "environment.part").write_text(json.dumps(variables))
    (folder / "environment.part").rename(folder / "environment.json")
    ended.wait()
    stand.stop()


if __name__ == "__main__":
    main()
