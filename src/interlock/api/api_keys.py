"""API keys: made here, shown once, known by their digest from then on."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.document import encode
from interlock.api.once_shown import act_with_secret, fresh_digits
from interlock.api.operation import delete, get, post
from interlock.api.pages import Pages, paged
from interlock.api.shapes import Base, Id, Name, Rev, Words, fields_of
from interlock.domain.access import ApiKey
from interlock.service import directory, views

PATH = "/v1/api-keys"


class KeyNew(Base, frozen=True, kw_only=True):
    """A new key. `user`: it acts as this user; `person`: what it writes counts as a person's decision."""

    name: Name
    roles: Words | UnsetType = UNSET
    user: Id | UnsetType | None = UNSET
    person: bool | UnsetType = UNSET


class Seen(Struct, frozen=True):
    """The rev, in the query."""

    rev: Rev | None = None


@post(
    PATH,
    "createApiKey",
    tag="keys",
    roles=roles.KEY_ADMIN,
    body=KeyNew,
    kind=ApiKey,
    own=True,
    example={"name": "Ana's key", "roles": ["org.user"]},
)
async def create(call: Call) -> Answer:
    """Make a key. Its secret is in `meta.secret` of this answer and nowhere else: not in a repeat of it either."""
    fields = fields_of(call.body, ApiKey)
    for role in fields.get("roles", ()):
        call.need((role,))
    secret = "ilk_" + fresh_digits(call)
    return await act_with_secret(
        call, secret, lambda beside: directory.create_key(call.world, call.by, fields, secret, beside=beside), ApiKey
    )


@get(PATH, "listApiKeys", tag="keys", roles=roles.KEY_READ, kind=ApiKey, answers="many", query=Pages, own=True)
async def listed(call: Call) -> Answer:
    """List keys, without their secrets."""
    return await paged(call, lambda offset, limit: views.listing(call.world, call.org, ApiKey, offset, limit))


@get(f"{PATH}/{{id:str}}", "getApiKey", tag="keys", roles=roles.KEY_READ, kind=ApiKey, own=True)
async def read(call: Call) -> Answer:
    """Read a key, without its secret."""
    return call.show(await call.one(ApiKey, call.id()))


@delete(f"{PATH}/{{id:str}}", "revokeApiKey", tag="keys", roles=roles.KEY_ADMIN, kind=ApiKey, query=Seen, own=True)
async def revoke(call: Call) -> Answer:
    """Revoke a key: it opens nothing from now on."""
    id = call.id()
    precondition = call.precondition(ApiKey, id)
    answer = await call.act(
        lambda beside: directory.revoke_key(call.world, call.by, id, precondition, beside=beside),
        ApiKey,
        id=id,
        status=204,
    )
    call.host.keyring.forget(id)
    return answer


@get(f"{PATH}/{{id:str}}/name", "getApiKeyName", tag="keys", roles=roles.EVENT_READ, answers="resource", own=True)
async def name_of(call: Call) -> Answer:
    """Read the name of a key, and whether somebody signed in with it: the log says which key wrote, people ask who."""
    key = await call.one(ApiKey, call.id())
    to = f"{PATH}/{key.id}/name"
    about = {"name": key.name, "signedIn": key.signed_in}
    data = {"type": "api_key_name", "id": key.id, "attributes": about, "relationships": {}, "links": {"self": to}}
    return Answer(200, encode({"data": data, "links": {"self": to}}))


OPERATIONS = (name_of, create, listed, read, revoke)
