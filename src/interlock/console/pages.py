"""Every page of the console, screen by screen."""

from __future__ import annotations

from interlock.console import conversations, investigate, queues, sign_in
from interlock.console.route import Route

SCREENS = (sign_in, queues, conversations, investigate)
ROUTES: tuple[Route, ...] = tuple(route for screen in SCREENS for route in screen.ROUTES)
