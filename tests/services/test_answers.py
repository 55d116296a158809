"""What people ask for is answered without the credentials that stand in people's files."""

import azure.functions as func

from shared import triggers
from tests.services.world import SAMPLE, World


def test_a_credential_in_an_environments_file_is_in_no_answer() -> None:
    name = b"name: https://user:s3cr3t@host.test/x\n"
    files = {path: text.replace(b"name: training\n", name) for path, text in SAMPLE.items()}
    world = World(files)
    world.publish()
    world.work()
    request = func.HttpRequest(
        method="GET", url="/", body=b"", route_params={"name": "our-package", "version": "1.1"}, params={"all": "1"}
    )

    answer = triggers.release_status(request, lambda: world.app).get_body().decode()

    assert "https://***@host.test/x" in answer
    assert "s3cr3t" not in answer
