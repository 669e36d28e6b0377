"""`interlock openapi`."""

from __future__ import annotations

import sys

from interlock.cli.output import Json


def openapi(*, json: Json = False) -> None:
    """The description of the HTTP API, as OpenAPI 3.1. It is JSON with or without --json.

    Example: interlock openapi > openapi.json
    """
    from interlock.api.app import operations
    from interlock.api.openapi import describe

    sys.stdout.write(describe(list(operations())).decode())
