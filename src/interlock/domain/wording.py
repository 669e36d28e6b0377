"""Words that an org's people share: tags to mark conversations with, and shortcuts for what they write often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from interlock.domain.record import Index, Record


class Tag(Record, frozen=True, kw_only=True):
    """A word to mark conversations with; its name is unique in its org, whatever the case."""

    TYPE: ClassVar[str] = "tag"
    PATH: ClassVar[str] = "/v1/tags/"
    NOUN: ClassVar[str] = "tag"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    color: str | None = None
    description: str = ""
    deleted: bool = False

    def index(self) -> Index:
        """Listed by name; deleted ones apart."""
        return Index(state="deleted" if self.deleted else "live", sort=self.name.lower())

    def claims(self) -> tuple[str, ...]:
        """A name is given once."""
        return () if self.deleted else (f"{self.org}/tag-name/{self.name.lower()}",)


class Shortcut(Record, frozen=True, kw_only=True):
    """A text that is written often, under a short name."""

    TYPE: ClassVar[str] = "shortcut"
    PATH: ClassVar[str] = "/v1/shortcuts/"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}

    name: str
    text: str = ""
    subject: str | None = None
    language: str | None = None
    deleted: bool = False

    def index(self) -> Index:
        """Listed by name; deleted ones apart."""
        return Index(state="deleted" if self.deleted else "live", sort=self.name.lower())

    def claims(self) -> tuple[str, ...]:
        """A name is given once."""
        return () if self.deleted else (f"{self.org}/shortcut-name/{self.name.lower()}",)
