"""Tags and shortcuts: two flat lists."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from interlock.api import roles
from interlock.api.collection import Collection, operations_of
from interlock.api.shapes import Base, Guarded, Long, Name, Text
from interlock.domain.wording import Shortcut, Tag

Language = Annotated[str, Meta(max_length=35)]


class TagNew(Base, frozen=True, kw_only=True):
    """A new tag."""

    name: Name
    color: Name | UnsetType | None = UNSET
    description: Text | UnsetType = UNSET


class TagChange(Guarded, frozen=True, kw_only=True):
    """A change of a tag; a deleted one is not listed, and its name is free."""

    name: Name | UnsetType = UNSET
    color: Name | UnsetType | None = UNSET
    description: Text | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET


class ShortcutNew(Base, frozen=True, kw_only=True):
    """A new shortcut."""

    name: Name
    text: Long | UnsetType = UNSET
    subject: Text | UnsetType | None = UNSET
    language: Language | UnsetType | None = UNSET


class ShortcutChange(Guarded, frozen=True, kw_only=True):
    """A change of a shortcut; a deleted one is not listed, and its name is free."""

    name: Name | UnsetType = UNSET
    text: Long | UnsetType = UNSET
    subject: Text | UnsetType | None = UNSET
    language: Language | UnsetType | None = UNSET
    deleted: bool | UnsetType = UNSET


TAGS = Collection(
    kind=Tag,
    one="tag",
    many="tags",
    path="/v1/tags",
    new=TagNew,
    new_example={"name": "parcel", "color": "#3366cc"},
    changed=TagChange,
    change_example={"description": "What is on its way"},
    read=roles.TAG_READ,
    create=roles.TAG_ADMIN,
    update=roles.TAG_ADMIN,
    states=("live",),
)
SHORTCUTS = Collection(
    kind=Shortcut,
    one="shortcut",
    many="shortcuts",
    path="/v1/shortcuts",
    new=ShortcutNew,
    new_example={"name": "hello", "text": "Hello, how can I help you?"},
    changed=ShortcutChange,
    change_example={"text": "Good day, how can I help you?"},
    read=roles.SHORTCUT_READ,
    create=roles.SHORTCUT_ADMIN,
    update=roles.SHORTCUT_ADMIN,
    states=("live",),
)

OPERATIONS = (*operations_of(TAGS), *operations_of(SHORTCUTS))
