"""Ways: how an item gets into each state, and the commands of its life as a person, an agent or a clock gives them."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from msgspec import UNSET
from tests.domain.floor import ORG, Floor

from interlock.domain import life_cycle, order
from interlock.domain.agent import OrgSettings, Status, with_status
from interlock.domain.conversation import Shared
from interlock.domain.decision import Decision
from interlock.domain.order import Order
from interlock.domain.record import Record
from interlock.domain.schedule import ALWAYS
from interlock.domain.settle import Manner

STATES = ("ivr", "queued", "routed", "assigned", "wrap-up", "completed")
OFFLINE = Status(id="off", org=ORG, name="Offline", status_type="offline")
UNAVAILABLE = Status(id="away", org=ORG, name="Unavailable", status_type="unavailable")


def end(floor: Floor) -> Decision:
    """The call is over: said of the conversation, taken by the item."""
    floor.reverse()
    floor.say(Shared(ended=True))
    return floor.forward()


def sign_out(floor: Floor) -> Decision:
    """u1 is offline, in an org that takes back what they have: the item goes back."""
    return floor.do(life_cycle.unassign, floor.moment("system"), Manner(), code="REQUEUED_OFFLINE", command="sign-out")


def overdue(floor: Floor) -> Decision:
    """The offer's time is up."""
    floor.now += 30_000
    return floor.do(life_cycle.expire, floor.moment("system"), UNAVAILABLE)


COMMANDS: dict[str, Callable[[Floor], Decision]] = {
    "enter": lambda f: f.enter("q2"),
    "leave": lambda f: f.do(life_cycle.leave, f.moment(), Manner()),
    "offer": lambda f: f.offer("u2"),
    "accept": lambda f: f.accept("u1"),
    "reject": lambda f: f.do(life_cycle.reject, "u1", f.moment(), reason="busy", reason_code=2),
    "expire": overdue,
    "assign": lambda f: f.assign("u2"),
    "un-assign": lambda f: f.do(life_cycle.unassign, f.moment(), Manner()),
    "end": end,
    "wrap-up": lambda f: f.do(life_cycle.wrap_up, f.moment(), Manner()),
    "resume": lambda f: f.do(life_cycle.wrap_up, f.moment(), Manner(), resume=True),
    "complete": lambda f: f.do(life_cycle.complete, f.moment(), Manner()),
    "pause": lambda f: f.do(life_cycle.pause, f.moment(), Manner()),
    "wake": lambda f: f.do(life_cycle.pause, f.moment(), Manner(), wake=True),
    "sign-out": sign_out,
}

STAYS = {"ivr": 450, "queued": 50, "routed": 30, "assigned": 200, "wrap-up": 70}
"""Milliseconds that the way to each later state spends in each; the first 120 of `ivr` are before the item exists."""


def reach(state: str) -> Floor:
    """An item in this state, by the usual way: through q1, offered to and accepted by u1."""
    floor = Floor()
    floor.open()
    floor.now += 120
    floor.forward()
    floor.now += 330
    steps: tuple[Callable[[], object], ...] = (
        lambda: floor.enter("q1"),
        lambda: floor.offer("u1"),
        lambda: floor.accept("u1"),
        lambda: COMMANDS["wrap-up"](floor),
        lambda: COMMANDS["complete"](floor),
    )
    for before, after, step in zip(STATES, STATES[1:], steps, strict=False):
        if floor.item.status == state:
            break
        if before != "ivr":
            floor.now += STAYS[before]
        step()
        assert floor.item.status == after
    assert floor.item.status == state
    return floor


def ready(command: str, state: str) -> Floor:
    """The item in this state; for `wake` it is paused, where it can be; for `sign-out` u1 is offline."""
    floor = reach(state)
    if command == "wake" and state not in ("routed", "completed"):
        floor.now += 300
        COMMANDS["pause"](floor)
    if command == "sign-out":
        floor.put(with_status(floor.session("u1"), OFFLINE, floor.now, ALWAYS))
    return floor


BOOKKEEPING = ("rev", "updated_at", "modified_at", "modified_by", "coupled", "unit_rev", "resource_rev")


def shown(records: dict[tuple[str, str], Record]) -> dict[tuple[str, str], object]:
    """Everything that routing shows, without the marks that any recorded wish leaves."""
    return {
        key: {f: getattr(r, f) for f in r.__struct_fields__ if f not in BOOKKEEPING}
        for key, r in records.items()
        if key[0] != "conversation"
    }


SETTINGS = OrgSettings(id=ORG, org=ORG, accept_timeout_seconds=45)


def put(floor: Floor, wanted: Order, *, seen: int | None = None, silent: Status | None = UNAVAILABLE) -> Decision:
    """One PUT, committed."""
    moment = floor.moment()
    return floor.take(
        order.carry_out(floor.case(), wanted, moment, settings=SETTINGS, seen=seen, silent=silent)
    )  # fmt: skip


ANY_ORDER = st.builds(
    Order,
    queue=st.sampled_from((UNSET, UNSET, None, "q1", "q2")),
    assigned_to=st.sampled_from((UNSET, UNSET, None, "u1", "u2")),
    routed_to=st.sampled_from((None, None, None, "u1", "u2")), rejected_by=st.sampled_from((None, None, None, "u1")),
    timedout=st.sampled_from((False, False, True)), accepted_by=st.sampled_from((None, None, None, "u1", "u2")),
    status=st.sampled_from((None, None, "assigned", "wrap-up", "completed")),
    paused=st.sampled_from((None, None, True, False)),
)  # fmt: skip
"""Orders of every kind, most of which contradict themselves or the state of the item."""
