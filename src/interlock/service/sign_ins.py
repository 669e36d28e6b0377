"""Signing in: a one-time link or a key becomes a key for one browser, which ends by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.domain.access import ApiKey
from interlock.domain.decision import Decision, Provenance, Why, Write, birth, step
from interlock.domain.errors import Conflict
from interlock.ports import World
from interlock.service import records
from interlock.service.orgs import digest
from interlock.service.transact import Beside, Done, Reading, transact

LASTS_MS = 12 * 3_600_000
"""A shift: after it whoever sits there signs in again."""


class LinkUsed(Conflict):
    """This link was used already, or was taken back; ask for a new one."""

    CODE = "LINK_USED"


async def make_link(
    world: World, by: Provenance, fields: Mapping[str, Any], code: str, lasts_ms: int, *, beside: Beside
) -> Done:
    """A link that signs in once, within its time. `fields`: `name`, `grants`, and `user` if it is for a certain agent.

    The code itself is stored as its digest only.
    """
    until = world.clock.now() + lasts_ms
    return await records.create(
        world, by, ApiKey, {**fields, "digest": digest(code), "person": True, "expires_at": until}, beside=beside
    )


async def sign_in(world: World, by: Provenance, id: str, secret: str, *, beside: Beside) -> Done:
    """A key for one browser, with the roles of the key or of the link with this id. A link is used up by it."""

    async def decide(reading: Reading) -> Decision:
        given, now = await reading.one(ApiKey, id), reading.moment.now
        if given.revoked or (given.expires_at is not None and now >= given.expires_at):
            raise LinkUsed("A link signs in once, and for some minutes only.")
        made = ApiKey(
            id=reading.moment.fresh(), org=by.org, name=given.name, digest=digest(secret),
            roles=given.grants or given.roles, user=given.user, person=True, signed_in=True,
            expires_at=now + LASTS_MS, created_at=now, updated_at=now, modified_at=now,
        )  # fmt: skip
        used: tuple[Write, ...] = (step(given, given.with_(revoked=True), now, by_hand=True),) if given.grants else ()
        why = Why(direction="person", kind="change", record=made.ref, rev_after=1)
        return Decision(partition=made.id, why=why, writes=(birth(made), *used))

    return await transact(world, by, decide, beside=beside)
