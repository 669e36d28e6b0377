"""Schemas said the way that generators of clients read them: the same values, in words that all of them know.

JSON Schema 2020-12 has more than one way to say a thing. openapi-python-client stops at `items: false`, leaves
out whatever has a list of anything, and does not know an `enum` of truth values.
"""

from __future__ import annotations

from typing import Any, cast


def plain(schema: Any) -> Any:
    """The same document with tuples as short lists, lists of anything with `items`, one truth value as `const`."""
    if isinstance(schema, list):
        return [plain(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {name: plain(value) for name, value in cast("dict[str, Any]", schema).items()}
    if out.get("items") is False and "prefixItems" in out:
        out |= _short_list(out.pop("prefixItems"))
    elif out.get("type") == "array" and "items" not in out:
        out["items"] = {}
    if isinstance(out.get("enum"), list) and len(out["enum"]) == 1 and isinstance(out["enum"][0], bool):
        out |= {"type": "boolean", "const": out.pop("enum")[0]}
    return out


def _short_list(places: list[Any]) -> dict[str, Any]:
    kinds = [each for n, each in enumerate(places) if each not in places[:n]]
    items = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return {"items": items, "minItems": len(places), "maxItems": len(places)}
