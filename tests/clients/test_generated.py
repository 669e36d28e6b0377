"""A client generated from docs/openapi.json takes a conversation from a new queue to its agent, by typed calls only.

The generator (MIT) is a program of its own, in an environment of its own that is made for this session.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.clients.environment import python_with, ran
from tests.crash.server import KEY, Server

GENERATOR = "openapi-python-client==0.29.1"
DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.json"
GENERATE_S, WALK_S = 120, 60
DRIVER = """
import sys, time
from client import AuthenticatedClient
from client.api.conversations import create_conversation, get_conversation
from client.api.keys import create_api_key
from client.api.queues import create_queue
from client.api.reservations import accept_reservation
from client.api.settings import update_routing_settings
from client.api.statuses import list_statuses
from client.api.teams import create_team
from client.api.users import create_user
from client.api.work_items import list_conversation_work_items
from client.api.work_sessions import list_current_reservations, update_current_work_session
from client.models import (
    Answering, KeyNew, ConversationNew, Errors, QueueNew, SayStatus, TeamNew, TeamSettings, UserNew,
)

def told(answer):
    assert not isinstance(answer, Errors), answer
    return answer.data

def opened(key):
    return AuthenticatedClient(base_url=sys.argv[1], token=key)

admin = opened(sys.argv[2])
refused = create_queue.sync(client=admin, body=QueueNew(name="", key="orders"), idempotency_key="0")
assert isinstance(refused, Errors), refused
queue = told(create_queue.sync(client=admin, body=QueueNew(name="Orders", key="orders"), idempotency_key="1"))
team = told(create_team.sync(client=admin, body=TeamNew(name="Support"), idempotency_key="2"))
told(update_routing_settings.sync(team.id, client=admin, body=TeamSettings(enabled=True, queues=[queue.id])))
ana = told(create_user.sync(client=admin, body=UserNew(name="Ana", teams=[team.id]), idempotency_key="3"))
made = create_api_key.sync(
    client=admin, body=KeyNew(name="ana", roles=["org.user"], user=ana.id), idempotency_key="4"
)
agent = opened(made.meta["secret"])
status = next(s for s in told(list_statuses.sync(client=admin)) if s.attributes.status_type == "available")
told(update_current_work_session.sync(client=agent, body=SayStatus(status=status.id)))
body = ConversationNew.from_dict({"channels": ["chat"], "queue": {"id": queue.id}, "name": "A parcel"})
conversation = told(create_conversation.sync(client=admin, body=body, idempotency_key="5"))

until = time.monotonic() + 20
while not (offers := told(list_current_reservations.sync(client=agent))):
    assert time.monotonic() < until, "nothing was offered"
    time.sleep(0.05)
taken = told(accept_reservation.sync(offers[0].id, client=agent, body=Answering(), idempotency_key="6"))
assert taken.attributes.state == "accepted", taken
(item,) = told(list_conversation_work_items.sync(conversation.id, client=admin))
assert item.attributes.status == "assigned", item
while (now := told(get_conversation.sync(conversation.id, client=admin))).attributes.assigned_users != [ana.id]:
    assert time.monotonic() < until, now
    time.sleep(0.05)
print("walked")
"""


@pytest.fixture(scope="session")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the generator in it. About 20 s, once per session."""
    return python_with(tmp_path_factory.mktemp("generator"), GENERATOR)


@pytest.fixture(scope="session")
def client(generator: Path) -> Path:
    """The folder that holds the generated package `client`. Nothing of our description was left out of it."""
    folder = generator.parent.parent
    done = subprocess.run(
        [generator.with_name("openapi-python-client"), "generate", "--path", DESCRIPTION, "--meta", "none",
         "--output-path", folder / "client"],
        check=False, capture_output=True, text=True, timeout=GENERATE_S,
        env={**os.environ, "PATH": f"{generator.parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr, done.stdout + done.stderr
    return folder


@pytest.mark.slow
async def test_a_generated_client_walks_from_a_new_queue_to_an_accepted_offer(
    generator: Path, client: Path, tmp_path: Path
) -> None:
    server = await Server.start(f"sqlite:///{tmp_path}/interlock.db")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and "proxy" not in name.lower()}
    try:
        command = (generator, "-c", DRIVER, server.url, KEY)
        code, out, said = await ran(*command, within_s=WALK_S, cwd=client, env=env)
        assert (code, (out + said).strip()[-3_000:]) == (0, "walked")
    finally:
        await server.stop()
