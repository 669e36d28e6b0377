"""Organisations and keys: how the first door is opened."""

from __future__ import annotations

import hashlib
from typing import Any

from interlock.domain.access import ApiKey, Org, claim_of_digest
from interlock.domain.agent import BUILT_IN, OrgSettings, Status
from interlock.domain.assignment import Actor
from interlock.domain.decision import Decision, Provenance, Why, birth, changed, step
from interlock.domain.queue import DEFAULT_KEY, Queue
from interlock.domain.record import Record
from interlock.ports import Mark, Query, World
from interlock.service.by_clock import each_org
from interlock.service.transact import Done, Reading, transact

ADMIN = ("org.admin",)
FIRST = Mark(space="founded", org="", key="first", once=True)
"""Beside the first org of a store: processes that start together on an empty one found one org between them."""


async def found(
    world: World, name: str, *, key: str, key_name: str = "bootstrap", id: str = "", first: bool = False
) -> Done:
    """A new org with its default queue, four statuses, settings and one admin key, all in one commit.

    `key` is the secret in clear; only its SHA-256 is stored. `first`: raises `KeyTaken` if another process has founded
    the first org of this store, however closely the two came together.
    """
    org = id or world.ids.fresh()
    by = Provenance(org, Actor("person", "cli", "bootstrap"), "cli")

    async def decide(reading: Reading) -> Decision:
        now, fresh = reading.moment.now, reading.moment.fresh
        times: dict[str, Any] = {"created_at": now, "updated_at": now, "modified_at": now}
        statuses = [
            Status(id=fresh(), org=org, name=n, status_type=t, system=True, routable=t == "available", **times)
            for n, t in BUILT_IN
        ]
        silent = next(s.id for s in statuses if s.status_type == "unavailable")
        records: list[Record] = [
            Org(id=org, org=org, name=name, **times),
            Queue(id=fresh(), org=org, name="Default queue", key=DEFAULT_KEY, system=True, **times),
            OrgSettings(id=org, org=org, timeout_status=silent, **times),
            ApiKey(id=fresh(), org=org, name=key_name, digest=digest(key), roles=ADMIN, person=True, **times),
            *statuses,
        ]
        why = Why(direction="person", kind="change", record=records[0].ref, rev_after=1)
        return Decision(partition=org, why=why, writes=tuple(birth(r) for r in records))

    return await transact(world, by, decide, beside=lambda _: (FIRST,) if first else ())


async def raise_epoch(world: World, by: Provenance) -> Done:
    """Records of this org were restored from a backup: from now on its sites mint their dots in a new epoch.

    To be called after the restore and before anything else is written. Without it a new intent would get the dot of one
    that the backup has forgotten, and whoever still knows that one would take the two for the same.
    """

    async def decide(reading: Reading) -> Decision:
        org = await reading.one(Org, by.org)
        after = org.with_(epoch=org.epoch + 1)
        why = changed(org, "person", kind="restored")
        return Decision(partition=org.id, why=why, writes=(step(org, after, reading.moment.now, by_hand=True),))

    return await transact(world, by, decide)


def digest(key: str) -> str:
    """What is stored of a key: the hexadecimal SHA-256 of 256 random bits needs no salt."""
    return hashlib.sha256(key.encode()).hexdigest()


async def all_orgs(world: World) -> list[Org]:
    """Every org of the store."""
    return [org async for org in each_org(world)]


async def any_org(world: World) -> bool:
    """Whether the store has one."""
    return bool(await world.store.find(Query(name="orgs", org="", type=Org.TYPE, limit=1)))


async def key_of(world: World, secret: str) -> ApiKey | None:
    """The live key that a secret opens; one whose time is over opens nothing."""
    found = await world.store.find(
        Query(name="claimed", org="", type=ApiKey.TYPE, claim=claim_of_digest(digest(secret)), limit=1)
    )
    key = found[0] if found else None
    if not isinstance(key, ApiKey) or key.revoked:
        return None
    return key if key.expires_at is None or world.clock.now() < key.expires_at else None
