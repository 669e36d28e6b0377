"""Every page of the console, screen by screen."""

from __future__ import annotations

from interlock.console import (
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

SCREENS = (sign_in, queues, inbox, conversations, incidents, investigate, rules, settings, system, jump)
ROUTES: tuple[Route, ...] = tuple(route for screen in SCREENS for route in screen.ROUTES)
