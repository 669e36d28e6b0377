"""Every page of the console, screen by screen."""

from __future__ import annotations

from interlock.console import (
    acts,
    compare,
    conversations,
    inbox,
    incidents,
    investigate,
    jump,
    queues,
    rules,
    settings,
    sign_in,
    system,
)
from interlock.console.route import Route

SCREENS = (
    sign_in, queues, acts, inbox, conversations, compare, incidents, investigate, rules, settings, system, jump,
)  # fmt: skip
ROUTES: tuple[Route, ...] = tuple(route for screen in SCREENS for route in screen.ROUTES)
