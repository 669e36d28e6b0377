"""Limits as they are set, `{total, channels, priorities}`, and what makes them contradict each other."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from interlock.domain.agent import RoutingSettings
from interlock.domain.conversation import Channel
from interlock.domain.errors import InvalidCombination, InvalidValue

CHANNELS: tuple[str, ...] = get_args(Channel)


def check_limits(limits: Mapping[str, Any], *, inherited: int | None, pointer: str) -> None:
    """Raises if these limits can never be reached, or say two things at once.

    An item weighs at least 1, so a limit beyond the total is no limit. `inherited`: the total in force where these
    limits name none; `None`: not known here.
    """
    total = limits.get("total")
    most = inherited if total is None else int(total)
    channels = cast("Mapping[str, int]", limits.get("channels") or {})
    for channel, limit in channels.items():
        at = f"{pointer}/channels/{channel[:100]}"
        if channel not in CHANNELS:
            near = difflib.get_close_matches(channel[:100], CHANNELS, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" There are {', '.join(CHANNELS)}."
            raise InvalidValue(f"There is no channel {channel[:100]}.{hint}", pointer=at)
        _within(f"{limit} items of {channel}", limit, most, at)
    priorities = cast("Sequence[Mapping[str, int]]", limits.get("priorities") or ())
    seen: set[int] = set()
    for place, each in enumerate(priorities):
        priority, at = int(each["priority"]), f"{pointer}/priorities/{place}"
        if priority in seen:
            raise InvalidValue(f"Priority {priority} has two limits; give it one.", pointer=f"{at}/priority")
        seen.add(priority)
        _within(f"A weight of {each['limit']} of priority {priority}", int(each["limit"]), most, f"{at}/limit")


def _within(what: str, limit: int, most: int | None, pointer: str) -> None:
    if most is not None and limit > most:
        raise InvalidCombination(
            f"{what} can never be reached: the whole capacity is {most}, and an item weighs at least 1.",
            pointer=pointer,
            fields=["total", pointer.rsplit("/", 1)[-1]],
            total=most,
        )


def check_team(settings: RoutingSettings, pointer: str = "/workItemCapacity") -> None:
    """Raises if a team's settings name two totals that differ: `workItemCapacity` and `capacity.total`."""
    one, other = settings.work_item_capacity, (settings.capacity or {}).get("total")
    if one is not None and other is not None and one != other:
        raise InvalidCombination(
            f"workItemCapacity is {one} and capacity.total is {other}; they mean the same, so leave one out.",
            pointer=pointer,
            fields=["workItemCapacity", "capacity.total"],
        )
