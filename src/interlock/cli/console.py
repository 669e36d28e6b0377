"""`interlock console link`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from interlock.cli import output
from interlock.cli.connection import Connection, Server
from interlock.cli.output import Json

HERE = Server()


def link(
    *, server: Annotated[Server, Parameter(name="*")] = HERE,
    role: Literal["reader", "agent", "supervisor", "admin"] = "supervisor", name: str = "", user: str = "",
    minutes: int = 15, json: Json = False,
) -> None:  # fmt: skip
    """A link to the console that signs somebody in, once. It needs the key of an administrator.

    Example: interlock console link --role agent --user 69a5f1c0a1b2c3d4e5f60718

    Parameters
    ----------
    role
        What the person may do: reader looks, agent answers offers, supervisor runs the floor, admin everything.
    name
        Whose link it is: so their acts are signed.
    user
        The id of the user that they are; an agent's link needs one.
    minutes
        How long the link waits to be used.
    """
    connection = Connection(server)
    wanted = {"role": role, "minutes": minutes, **({"name": name} if name else {}), **({"user": user} if user else {})}
    made = connection.post("/v1/sign-in-links", wanted).json()
    url = connection.url + made["meta"]["path"]
    if json:
        output.document({"url": url, "role": role, "expiresAt": made["data"]["attributes"]["expiresAt"]})
        return
    output.line(url)
    output.hint(f"It signs in once, within {minutes} minutes.")
