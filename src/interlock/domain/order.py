"""One PUT of a work item."""

from __future__ import annotations

import msgspec

from interlock.domain import life_cycle
from interlock.domain.agent import OrgSettings
from interlock.domain.conversation import Conversation
from interlock.domain.decision import Decision, Moment, Reason
from interlock.domain.settle import Case, Manner
from interlock.domain.sync import forward
from interlock.domain.work_item import WorkItem


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Wanted facts."""

    queue: str | msgspec.UnsetType | None = msgspec.UNSET
    external: bool = False
    assigned_to: str | msgspec.UnsetType | None = msgspec.UNSET
    routed_to: str | None = None
    rejected_by: str | None = None
    timedout: bool = False
    accepted_by: str | None = None
    status: str | None = None
    paused: bool | None = None

    def names(self) -> set[str]:
        """Outward names."""
        return {"status", "assignedTo", "queue"}

    def users(self) -> list[str]:
        """Users named."""
        return [u for u in (self.assigned_to, self.routed_to, self.rejected_by, self.accepted_by) if isinstance(u, str)]

    def queues(self) -> list[str]:
        """Queues named."""
        return [self.queue] if isinstance(self.queue, str) and not self.external else []


def carry_out(case: Case, order: Order, moment: Moment, *, settings: OrgSettings, seen: int | None) -> Decision:
    """Do it."""
    manner = Manner(seen=seen)
    if isinstance(order.assigned_to, str):
        return life_cycle.assign(case, (order.assigned_to,), moment, manner)
    if order.status == "completed":
        return life_cycle.complete(case, moment, manner)
    if isinstance(order.queue, str):
        return life_cycle.enter(case, order.queue, moment, manner, Reason("QUEUE_WORK_ITEM", "QUEUE_SET"))
    return life_cycle.noop(case, moment, "nothing")


def create(c: Conversation, last: WorkItem | None, lent: Case, order: Order, moment: Moment) -> Decision:
    """A new item."""
    return forward(c, None, last, lent, moment)
