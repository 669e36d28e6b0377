"""Signing in to the console, or to any page of one's own: links that work once, and keys that end with the shift."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import document
from interlock.api.operation import delete, get, post
from interlock.api.shapes import Base, Id, Name
from interlock.domain.access import ApiKey
from interlock.domain.decision import Decision
from interlock.domain.errors import InvalidValue, Refused
from interlock.domain.record import Record
from interlock.service import directory, sign_ins
from interlock.service.preconditions import Precondition

LINKS, HERE = "/v1/sign-in-links", "/v1/sign-ins"
MINUTES, MINUTES_MAX = 15, 24 * 60

_READS = (
    "org.permission.routing.read", "org.permission.conversation.read", "org.permission.event.read",
    "org.permission.message.read", "org.permission.customer.read", "org.permission.user.read",
    "org.permission.team.read", "org.permission.schedule.read",
)  # fmt: skip
ROLES: dict[str, tuple[str, ...]] = {
    "reader": _READS,
    "agent": ("org.user", *_READS, "org.permission.conversation.update", "org.permission.message.create"),
    "supervisor": (
        *_READS, "org.permission.conversation.update", "org.permission.message.create", "org.permission.routing",
        "org.permission.workflow.read", "org.permission.audit_logs.read", "org.permission.schedule",
    ),
    "admin": ("org.admin",),
}  # fmt: skip
"""What each role of the console may do, in the API's own roles: there is no door that these do not open."""


class LinkNew(Base, frozen=True, kw_only=True):
    """A new link: for which role, for whom, and for how long it waits to be used."""

    role: Literal["reader", "agent", "supervisor", "admin"]
    name: Name | UnsetType = UNSET
    user: Id | UnsetType | None = UNSET
    minutes: Annotated[int, Meta(ge=1, le=MINUTES_MAX)] = MINUTES


def _secret(call: Call, prefix: str) -> str:
    return prefix + "".join(call.world.ids.fresh()[8:] for _ in range(4))


@post(
    LINKS,
    "createSignInLink",
    tag="sign-in",
    roles=roles.KEY_ADMIN,
    body=LinkNew,
    kind=ApiKey,
    own=True,
    idempotency="no",
    example={"role": "supervisor", "name": "Ana"},
)
async def link(call: Call) -> Answer:
    """Make a link that signs in once. Its path is in `meta.path` of this answer and nowhere else."""
    body: LinkNew = call.body
    user = body.user if body.user is not UNSET else None
    if body.role == "agent" and not user:
        raise InvalidValue("An agent's link names the user that it is for.", pointer="/user")
    grants = ROLES[body.role]
    for role in grants:
        call.need((role,))
    name = body.name if body.name is not UNSET else body.role.capitalize()
    code, lasts_ms = _secret(call, "ill_"), body.minutes * 60_000
    fields = {"name": name, "grants": grants, "user": user}

    def show(record: Record, _: Decision) -> bytes:
        return document(record, meta={"path": f"/sign-in?code={code}", "code": code})

    return await call.act(
        lambda beside: sign_ins.make_link(call.world, call.by, fields, code, lasts_ms, beside=beside), ApiKey, show=show
    )


@post(HERE, "signIn", tag="sign-in", roles=(), kind=ApiKey, own=True, idempotency="no", errors=(sign_ins.LinkUsed,))
async def sign_in(call: Call) -> Answer:
    """Sign in with the key or the link's code that is sent as the key: `meta.secret` is a key for one browser."""
    secret = _secret(call, "ils_")

    def show(record: Record, _: Decision) -> bytes:
        return document(record, meta={"secret": secret})

    answer = await call.act(
        lambda beside: sign_ins.sign_in(call.world, call.by, call.key.id, secret, beside=beside), ApiKey, show=show
    )
    call.host.keyring.forget(call.key.id)
    return answer


@get(f"{HERE}/current", "getSignIn", tag="sign-in", roles=(), kind=ApiKey, own=True)
async def current(call: Call) -> Answer:
    """Read the key that is sent: its roles, and the user that it acts as."""
    return call.show(await call.one(ApiKey, call.key.id))


@delete(f"{HERE}/current", "signOut", tag="sign-in", roles=(), kind=ApiKey, own=True, guard="no", idempotency="no")
async def sign_out(call: Call) -> Answer:
    """Sign out: the key that is sent, made by signing in, opens nothing from now on."""
    id = call.key.id
    if not call.key.signed_in:
        raise Refused("This key was not made by signing in; it is revoked below /v1/api-keys.")
    answer = await call.act(
        lambda beside: directory.revoke_key(call.world, call.by, id, Precondition(), beside=beside),
        ApiKey,
        id=id,
        status=204,
    )
    call.host.keyring.forget(id)
    return answer


OPERATIONS = (link, sign_in, current, sign_out)
