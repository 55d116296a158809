"""Wires settings, adapters and services together: the only module that knows the adapters.

Everything is built when it is first asked for, so a function imports only the SDKs that it uses.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING

from shared.adapters.clock import SystemClock
from shared.domain.targets import Target
from shared.ledger import Ledger
from shared.messages import REBUILDS, SIGNALS
from shared.ports import AzureDevOps, AzureML, Hooks, Queue
from shared.services.intake.hook import Intake
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.adapters.azure_devops import AzureDevOpsOrganizations
    from shared.services.confirm.confirm import Confirm
    from shared.services.follow.follow import Follow
    from shared.services.intake.quarantine import Quarantine
    from shared.services.operator.parked import Parked
    from shared.services.operator.requeue import Requeue
    from shared.services.operator.rerun import Reruns
    from shared.services.operator.status import Status
    from shared.services.planning.snapshots import Snapshots
    from shared.services.rebuild.rebuild import Rebuild
    from shared.services.records.due import DueMarks
    from shared.services.records.lease import Lease
    from shared.services.records.park import Park
    from shared.services.repair import Repair
    from shared.services.worker import Worker


class App:
    """The wired product."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()

    @cached_property
    def credential(self) -> "TokenCredential":
        """The managed identity. There is no other way to sign in, so nothing can be signed in by mistake."""
        from azure.identity import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=self.settings.client_id)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        from shared.adapters.blob_ledger import BlobLedgerStore

        return Ledger(BlobLedgerStore(self.settings.blobs, self.credential))

    @cached_property
    def quarantined(self) -> Ledger:
        """What cannot be read, in a container of its own."""
        from shared.adapters.blob_ledger import QUARANTINE, BlobLedgerStore

        return Ledger(BlobLedgerStore(self.settings.blobs, self.credential, QUARANTINE))

    @cached_property
    def quarantine(self) -> "Quarantine":
        """Keeps what cannot be read."""
        from shared.services.intake.quarantine import Quarantine

        return Quarantine(entries=self.quarantined, clock=self.clock)

    @cached_property
    def due(self) -> "DueMarks":
        """The due marks."""
        from shared.services.records.due import DueMarks

        return DueMarks(
            ledger=self.ledger, rebuilds=self.rebuilds, clock=self.clock, settle_time=self.settings.settle_time
        )

    @cached_property
    def lease(self) -> "Lease":
        """The leases of targets."""
        from shared.services.records.lease import Lease

        return Lease(ledger=self.ledger, clock=self.clock)

    @cached_property
    def park(self) -> "Park":
        """Parks."""
        from shared.services.records.park import Park

        return Park(ledger=self.ledger, due=self.due, lease=self.lease, clock=self.clock)

    @cached_property
    def parked(self) -> "Parked":
        """What is parked."""
        from shared.services.operator.parked import Parked

        return Parked(
            ledger=self.ledger,
            signals=self.signals,
            due=self.due,
            targets=self.targets,
            clock=self.clock,
            suspended=self.settings.suspended,
        )

    @cached_property
    def requeue(self) -> "Requeue":
        """Has parked things done after all."""
        from shared.services.operator.requeue import Requeue

        return Requeue(
            ledger=self.ledger,
            signals=self.signals,
            due=self.due,
            azure_devops=self.azure_devops,
            targets=self.targets,
            snapshots=self.snapshots,
            clock=self.clock,
        )

    @cached_property
    def signals(self) -> Queue:
        """The queue of signals."""
        return self._queue(SIGNALS)

    @cached_property
    def rebuilds(self) -> Queue:
        """The queue of turns."""
        return self._queue(REBUILDS)

    @cached_property
    def azure_devops(self) -> AzureDevOps:
        """Azure DevOps."""
        return self._organizations

    @cached_property
    def _organizations(self) -> "AzureDevOpsOrganizations":
        from shared.adapters.azure_devops import AzureDevOpsOrganizations

        return AzureDevOpsOrganizations(self.credential)

    @cached_property
    def snapshots(self) -> "Snapshots":
        """Reads repositories, and remembers."""
        from shared.services.planning.snapshots import Snapshots

        return Snapshots(self.azure_devops)

    @cached_property
    def intake(self) -> Intake:
        """The hook endpoint."""
        return Intake(
            signals=self.signals,
            quarantine=lambda: self.quarantine,
            targets=self.targets,
            secrets=self.settings.secrets,
            package_events=self.settings.package_events,
            publishing_projects=self.settings.publishing_projects,
        )

    @cached_property
    def reruns(self) -> "Reruns":
        """Reruns by hand."""
        from shared.services.operator.rerun import Reruns

        return Reruns(ledger=self.ledger, signals=self.signals, targets=self.targets, suspended=self.settings.suspended)

    @cached_property
    def status(self) -> "Status":
        """What the ledger knows."""
        from shared.services.operator.status import Status

        return Status(ledger=self.ledger, targets=self.targets, snapshots=self.snapshots)

    @cached_property
    def confirm(self) -> "Confirm":
        """Confirms releases."""
        from shared.services.confirm.confirm import Confirm

        return Confirm(
            ledger=self.ledger,
            due=self.due,
            park=self.park,
            requeue=self.requeue,
            azure_devops=self.azure_devops,
            targets=self.targets,
            clock=self.clock,
        )

    @cached_property
    def rebuild(self) -> "Rebuild":
        """Plans and carries out."""
        from shared.services.rebuild.rebuild import Rebuild

        return Rebuild(
            ledger=self.ledger,
            due=self.due,
            lease=self.lease,
            park=self.park,
            azure_devops=self.azure_devops,
            targets=self.targets,
            snapshots=self.snapshots,
            clock=self.clock,
            settle_time=self.settings.settle_time,
        )

    @cached_property
    def azure_ml(self) -> AzureML:
        """The Azure ML workspaces."""
        from shared.adapters.azure_ml import AzureMLWorkspaces

        return AzureMLWorkspaces(self.credential)

    @cached_property
    def follow(self) -> "Follow":
        """Follows runs."""
        from shared.services.follow.follow import Follow

        return Follow(
            ledger=self.ledger,
            due=self.due,
            azure_devops=self.azure_devops,
            azure_ml=self.azure_ml,
            targets=self.targets,
            clock=self.clock,
            attempts=self.settings.attempts,
        )

    @cached_property
    def hooks(self) -> Sequence[Hooks]:
        """The service hook subscriptions of each organisation."""
        organizations = sorted({target.organization for target in self.targets})
        return [self._organizations.hooks(organization) for organization in organizations]

    @cached_property
    def repair(self) -> "Repair":
        """The timer's work."""
        from shared.services.repair import Repair

        return Repair(
            ledger=self.ledger,
            signals=self.signals,
            due=self.due,
            lease=self.lease,
            azure_devops=self.azure_devops,
            targets=self.targets,
            hooks=self.hooks,
            parked=self.parked,
            quarantine=self.quarantine,
            follow=lambda: self.follow,
            clock=self.clock,
            replay=self.settings.replay_feeds,
            suspended=self.settings.suspended,
        )

    @cached_property
    def worker(self) -> "Worker":
        """The queue functions."""
        from shared.services.worker import Worker

        return Worker(
            signals=self.signals,
            rebuilds=self.rebuilds,
            confirm=lambda: self.confirm,
            rebuild=lambda: self.rebuild,
            repair=lambda: self.repair,
            follow=lambda: self.follow,
            requeue=lambda: self.requeue,
            targets=self.targets,
            park=self.park,
            quarantine=self.quarantine,
            suspended=self.settings.suspended,
        )

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is looked after."""
        return self.settings.targets

    def _queue(self, name: str) -> Queue:
        from shared.adapters.storage_queue import StorageQueue

        return StorageQueue(self.settings.queues, name, self.credential)


def build(variables: Mapping[str, str]) -> App:
    """Build the app from environment variables.

    Raises:
        InvalidConfiguration: naming every setting that is missing or wrong.
    """
    return App(Settings.read(variables))


@cache
def app() -> App:
    """The app of this process."""
    return build(os.environ)
