"""Webhooks: where events are sent, below the reference's address. What is sent and how is the service's."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.answer import Answer
from interlock.api.call import Call
from interlock.api.collection import Collection, operations_of
from interlock.api.document import rows
from interlock.api.once_shown import act_with_secret, fresh_digits
from interlock.api.operation import get, post
from interlock.api.shapes import Base, Guarded, Moment, Name, Nothing, Text, fields_of, ms
from interlock.domain.errors import Malformed
from interlock.domain.resource import iso
from interlock.domain.webhook import TOPICS_MAX, URL_MAX, Webhook, secret_of
from interlock.service import webhooks

PATH = "/v1/outbound-webhooks"
Url = Annotated[str, Meta(min_length=1, max_length=URL_MAX)]
Topics = Annotated[tuple[Name, ...], Meta(max_length=TOPICS_MAX)]


class WebhookNew(Base, frozen=True, kw_only=True):
    """A new webhook. `topics`: as in `GET /v1/events`; none: everything."""

    name: Name
    url: Url
    topics: Topics | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class WebhookChange(Guarded, frozen=True, kw_only=True):
    """A change of a webhook. Switched off, it misses nothing: switched on again, it is sent what was written since."""

    name: Name | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    topics: Topics | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET


class SendAgain(Base, frozen=True, kw_only=True):
    """What is sent again: the events of the row at a position (an event's `sequence`), or all since a time."""

    position: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    since: Moment | None = None


WEBHOOKS = Collection(
    kind=Webhook,
    one="webhook",
    many="webhooks",
    path=PATH,
    tag="webhooks",
    new=WebhookNew,
    new_example={"name": "Data warehouse", "url": "https://example.org/interlock", "topics": ["conversation"]},
    changed=WebhookChange,
    change_example={"enabled": False},
    read=roles.WEBHOOK_READ,
    create=roles.WEBHOOK_ADMIN,
    update=roles.WEBHOOK_ADMIN,
    states=("live",),
    alter=webhooks.update,
)
_listed, _, _read, _changed = operations_of(WEBHOOKS)
_doing: dict[str, Any] = {"tag": "webhooks", "roles": roles.WEBHOOK_ADMIN, "kind": Webhook, "own": True}
"""What the operations that do something have alike."""


def _fresh_secret(call: Call) -> str:
    return secret_of(bytes.fromhex(fresh_digits(call)))


@post(PATH, "createWebhook", body=WebhookNew, example=WEBHOOKS.new_example, **_doing)
async def create(call: Call) -> Answer:
    """Add a webhook. Its secret is in `meta.secret` of this answer and nowhere else: not in a repeat of it either."""
    fields = fields_of(call.body, Webhook)
    secret = _fresh_secret(call)
    return await act_with_secret(
        call, secret, lambda beside: webhooks.create(call.world, call.by, fields, secret, beside=beside), Webhook
    )


@post(f"{PATH}/{{id:str}}/rotate", "rotateWebhookSecret", body=Nothing, status=200, example={}, **_doing)
async def rotate(call: Call) -> Answer:
    """Give a webhook a fresh secret, shown once. For a day messages carry a signature of the old one too."""
    id = (await call.one(Webhook, call.id())).id
    secret = _fresh_secret(call)
    return await act_with_secret(
        call, secret, lambda beside: webhooks.rotate(call.world, call.by, id, secret, beside=beside), Webhook, id=id
    )


@post(f"{PATH}/{{id:str}}/test", "testWebhook", body=Nothing, status=200, example={}, **_doing)
async def test(call: Call) -> Answer:
    """Send a webhook a test event soon; what comes of it stands among its transactions. It is tried once."""
    id = (await call.one(Webhook, call.id())).id
    return await call.act(lambda beside: webhooks.test(call.world, call.by, id, beside=beside), Webhook, id=id)


@post(
    f"{PATH}/{{id:str}}/redeliver",
    "redeliverWebhook",
    body=SendAgain,
    status=200,
    example={"since": "2026-03-02T09:00:00Z"},
    **_doing,
)
async def redeliver(call: Call) -> Answer:
    """Send a webhook events again, with the ids that they had: those of one row, or all since a time."""
    again: SendAgain = call.body
    if (again.position is None) == (again.since is None):
        raise Malformed("Send position or since.", pointer="/position")
    id = (await call.one(Webhook, call.id())).id
    since = None if again.since is None else ms(again.since)
    return await call.act(
        lambda beside: webhooks.redeliver(call.world, call.by, id, beside=beside, position=again.position, since=since),
        Webhook,
        id=id,
    )


@get(
    f"{PATH}/{{id:str}}/transactions",
    "listWebhookTransactions",
    tag="webhooks",
    roles=roles.WEBHOOK_READ,
    answers="resources",
    own=True,
)
async def transactions(call: Call) -> Answer:
    """List the last hundred attempts of a webhook, the newest first, and how far it is in the log."""
    webhook = await call.one(Webhook, call.id())
    progress = await webhooks.progress_of(call.world, webhook)
    data: list[Any] = []
    for n, a in enumerate(await webhooks.attempts(call.world, call.org, webhook.id)):
        told = msgspec.to_builtins(a) | {"at": iso(a.at), "outcome": a.outcome}
        if a.next_at is not None:
            told["nextAt"] = iso(a.next_at)
        data.append({"type": "webhook_transaction", "id": f"{a.event}.{a.at}.{n}", "attributes": told})
    failing = progress.failing_since
    meta: dict[str, Any] = {"position": progress.position, "waiting": len(progress.waiting)}
    return Answer(200, rows(data, meta | ({"failingSince": iso(failing)} if failing else {}), {"self": call.path}))


OPERATIONS = (_listed, create, _read, _changed, rotate, test, redeliver, transactions)
