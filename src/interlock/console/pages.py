"""Every page of the console, screen by screen."""

from __future__ import annotations

from interlock.console import queues, sign_in
from interlock.console.route import Route

ROUTES: tuple[Route, ...] = (*sign_in.ROUTES, *queues.ROUTES)
