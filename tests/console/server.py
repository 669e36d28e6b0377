"""A server in a process of its own, and an administrator who sets a floor up over its API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

KEY = "ilk_console_test"
UP_WITHIN_S = 90


class Agent(NamedTuple):
    """One agent: the user's id and their key."""

    user: str
    key: str


class Floor(NamedTuple):
    """A queue and who serves it."""

    queue: str
    name: str
    agents: list[Agent]


class Server:
    """One life of a server on a file. `python`: of an environment that has the program, in place of this checkout."""

    def __init__(self, folder: Path, *, port: int = 0, python: Path | None = None, **settings: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")}
        environment |= {"INTERLOCK_BOOTSTRAP_KEY": KEY, "INTERLOCK_RATE_LIMIT": "0", "INTERLOCK_STOP_SECONDS": "2"}
        environment |= {f"INTERLOCK_{k.upper()}": v for k, v in settings.items()}
        if python is not None:
            environment.pop("PYTHONPATH", None)
        program = (str(python or sys.executable), "-P", "-m", "interlock.cli.main")
        self._said = (folder / "server.log").open("a+")
        self.process = subprocess.Popen(
            [*program, "serve", "--port", str(port), "--db", f"sqlite:///{folder}/console.db"],
            env=environment, stdout=subprocess.PIPE, stderr=self._said, text=True, cwd=folder,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("listening "):
            self.stop()
            raise RuntimeError(f"the server did not come up: {line}\n{(folder / 'server.log').read_text()[-4000:]}")
        self.url = line.split()[1]
        self._sent = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._said.close()

    def send(self, method: str, path: str, body: Any = None, *, key: str = KEY) -> Any:
        """One request to its API."""
        self._sent += 1
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        headers["Idempotency-Key"] = f"{os.getpid()}-{id(self)}-{self._sent}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                raw = answer.read()
        except urllib.error.HTTPError as no:
            raise AssertionError(f"{method} {path}: {no.code} {no.read().decode()[:500]}") from None
        return json.loads(raw) if raw and raw[:1] in b"{[" else raw.decode()

    def link(self, role: str, name: str, user: str = "") -> str:
        """A link to its console."""
        body = {"role": role, "name": name, **({"user": user} if user else {})}
        return self.url + self.send("POST", "/v1/sign-in-links", body)["meta"]["path"]

    def floor(self, name: str, agents: tuple[str, ...] = (), *, capacity: int = 5, target: int = 60) -> Floor:
        """A queue of this name, a team that serves it, and agents; nobody is signed in."""
        key = name.lower().replace(" ", "-")
        queue = self.send("POST", "/v1/routing/queues", {"name": name, "key": key, "targetSeconds": target})["data"][
            "id"
        ]
        team = self.send("POST", "/v1/teams", {"name": f"{name} team"})["data"]["id"]
        served = {"enabled": True, "workItemCapacity": capacity, "queues": [queue]}
        self.send("PUT", f"/v1/routing/settings/{team}", served)
        made: list[Agent] = []
        for agent in agents:
            user = self.send("POST", "/v1/users", {"name": agent, "teams": [team]})["data"]["id"]
            given = self.send("POST", "/v1/api-keys", {"name": agent, "roles": ["org.user"], "user": user})
            made.append(Agent(user, given["meta"]["secret"]))
        return Floor(queue, name, made)

    def conversation(self, queue: str, text: str = "", channel: str = "chat") -> str:
        """A conversation that waits in a queue."""
        body: dict[str, Any] = {"channels": [channel], "queue": {"id": queue}}
        if text:
            body["preview"] = text  # an offer may be made before the message is there
        id = self.send("POST", "/v1/conversations", body)["data"]["id"]
        if text:
            message = {"channel": channel, "app": channel, "direction": "in", "preview": text}
            self.send("POST", f"/v1/conversations/{id}/messages", message)
        return id

    def say(self, agent: Agent, status: str = "available") -> None:
        """An agent's status, by its type."""
        listed = self.send("GET", "/v1/routing/statuses")["data"]
        id = next(s["id"] for s in listed if s["attributes"]["statusType"] == status)
        self.send("PUT", "/v1/routing/work-sessions/current", {"status": id}, key=agent.key)

    def streams(self) -> int:
        """How many streams are open on it."""
        lines = str(self.send("GET", "/metrics")).splitlines()
        return int(float(next(n for n in lines if n.startswith("interlock_sse_clients ")).split()[1]))
