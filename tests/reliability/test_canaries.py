"""Secrets stay where they came in: nothing that the product writes, sends, logs or answers holds one."""

import base64
import json
import logging

import pytest

from shared.errors import NotAuthentic, NotKnown, ServiceUnavailable
from tests.services.world import FEED, RULES, World, environment

CANARY = "canary-4f1d9c27b8"
URL = f"https://user:{CANARY}@index.example/simple"
WITH_SECRETS = {
    "rebuilder.yml": RULES,
    **environment("training", f"--extra-index-url {URL}\nour-package==1.0\n".encode()),
    **environment("scoring", f"our-package==1.0\nother @ git+{URL}/other\n".encode()),
    **environment("broken", f"our-package==1.0 --nonsense={CANARY} {URL}\nour-package=={URL}\n".encode()),
    "conda/environment.yml": b"name: conda\nimage: an-image\nconda_file: conda.yml\n",
    "conda/conda.yml": f"dependencies:\n- pip:\n  - --index-url {URL}\n  - our-package==1.0\n".encode(),
    "unreadable/environment.yml": f"name: x\nbuild: [{URL}\n".encode(),
}


def test_no_secret_of_any_input_is_in_any_output(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World(WITH_SECRETS, REBUILDER_HOOK_SECRETS=f"{CANARY}-first {CANARY}-second")
    said: list[object] = []
    world.app.repair.run()

    shown = base64.b64encode(f"user:{CANARY}-wrong".encode()).decode()
    for authorization, secret in (
        (f"Basic {shown}", None),
        (None, f"{CANARY}-wrong"),
        (f"Basic {CANARY}", f"é{CANARY}"),
    ):
        with pytest.raises(NotAuthentic) as refused:
            world.app.intake.authenticate(authorization=authorization, secret=secret)
        said.append(refused.value)
    world.app.intake.authenticate(authorization=None, secret=f"{CANARY}-second")
    hidden = {"feed": FEED, "name": "our-package", "version": "1.1", "token": CANARY}
    bodies = (json.dumps(hidden).encode(), json.dumps({"eventType": "other", "secret": CANARY}).encode())
    said.extend(world.app.intake.accept(body) for body in bodies)
    world.feed.publish("our-package", "1.1")
    world.repository.fail("tip", "before", ServiceUnavailable("no answer"))
    world.work()
    run = world.pipeline.runs[-1]
    first = run.paths[0]
    world.build(run, failing={first: f"pip cannot read {URL} (401)"})
    world.tell_of(run)
    world.work()
    with pytest.raises(NotKnown):
        world.app.reruns.ask(feed=f"{CANARY}/feed", name="our-package", version="1.1")
    world.app.repair.run()
    world.work()

    entry = world.known()
    assert entry.rebuild is not None
    said.append(world.app.status.release(name="our-package", version="1.1", everything=True))
    said.append(world.app.status.rebuild(entry.rebuild))
    assert world.commits
    for place, text in [
        ("log", "\n".join(record.getMessage() for record in caplog.records)),
        ("answer", "\n".join(map(str, said))),
        ("ledger", b"\n".join(stored.raw for stored in world.store.blobs.values()).decode()),
        ("key", "\n".join(world.store.blobs)),
        ("commit", "\n".join(commit.message for commit in world.repository.history())),
        ("run", "\n".join(map(str, (run.parameters for run in world.pipeline.runs)))),
        ("message", "\n".join(m.text for queue in (world.signals, world.rebuilds) for m in queue.waiting)),
    ]:
        assert CANARY not in text, f"{place}: …{text[max(0, text.index(CANARY) - 200) : text.index(CANARY) + 60]}"


def test_what_cannot_be_read_is_in_quarantine_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World()

    receipt = world.app.intake.accept(f"not JSON {CANARY}".encode())

    assert CANARY not in f"{receipt} {caplog.text}"
    assert not world.signals.waiting
    assert all(CANARY.encode() not in stored.raw for stored in world.store.blobs.values())
    assert any(CANARY.encode() in stored.raw for stored in world.quarantine.blobs.values())
