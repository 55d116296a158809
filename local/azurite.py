"""Azurite, the storage emulator, over TLS with identity tokens only, its data in a folder."""

import shutil
from pathlib import Path

from local.certificates import Certificates
from local.processes import Process, StandError

ACCOUNT = "devstoreaccount1"
# Azurite's own account key, the same everywhere and documented: only the Azure ML stand-in needs it, to sign what the
# service would sign. The product has no key.
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # gitleaks:allow
)


class Azurite:
    """One Azurite process."""

    def __init__(
        self, *, node_modules: Path, folder: Path, certificates: Certificates, blob_port: int, queue_port: int
    ) -> None:
        program = node_modules / "azurite" / "dist" / "src" / "azurite.js"
        node = shutil.which("node")
        if node is None or not program.is_file():
            raise StandError("Azurite is not installed; run `make setup`")
        self.blobs = f"https://127.0.0.1:{blob_port}/{ACCOUNT}"
        self.queues = f"https://127.0.0.1:{queue_port}/{ACCOUNT}"
        self._ports = (blob_port, queue_port)
        # node itself and not npx: signals have to reach the server. The SDKs are newer than the emulator, hence
        # --skipApiVersionCheck. Port 0 for tables, which nobody uses.
        self.process = Process(
            "Azurite",
            [
                node, str(program), "--silent", "--disableTelemetry", "--skipApiVersionCheck",
                "--location", str(folder / "azurite"), "--oauth", "basic",
                "--cert", str(certificates.certificate), "--key", str(certificates.key),
                "--blobHost", "127.0.0.1", "--blobPort", str(blob_port),
                "--queueHost", "127.0.0.1", "--queuePort", str(queue_port),
                "--tableHost", "127.0.0.1", "--tablePort", "0",
            ],
            log=folder / "logs" / "azurite.log",
            environment={"PATH": str(Path(node).parent), "HOME": str(folder)},
        )  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it answers; its data are those of the last time."""
        self.process.start()
        for port in self._ports:
            self.process.wait_for_port(port)

    def stop(self, *, kill: bool = False) -> None:
        """Stop it; its data stay."""
        self.process.stop(kill=kill)
