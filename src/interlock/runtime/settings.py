"""What can be set, in one place: a flag, an environment variable and a line of a TOML file, all of the same name.

A flag wins over the environment, the environment over the file, the file over the default. A name that is not known is
an error, with the name that was probably meant: a mistyped setting that is silently ignored is found out in production.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from interlock.domain.share import BUCKETS, QUEUE_BUCKETS
from interlock.service.cues import ROLES, Role
from interlock.store.urls import shown

PREFIX = "INTERLOCK_"
OF_CLIENTS = frozenset({"url", "key", "key_file", "context", "contexts", "config"})
"""Names that the commands which talk to a server read by themselves."""
SECRETS = frozenset({"bootstrap_key"})
"""Settings that are never shown, never a flag, and may stand in a file named by `…_FILE`."""

ADDRESSES = frozenset({"db", "records_db", "routing_db"})
"""Settings that are URLs: shown without the password in them. They too may stand in a file named by `…_FILE`."""


ProcessRole = Role | Literal["api", "records", "relay", "webhooks", "console"]
"""What a process may be asked to run. `api` answers HTTP, `records` wakes snoozed conversations, `relay` feeds NATS,
`webhooks` sends events to endpoints outside.
"""


class WrongSetting(Exception):
    """A setting that is not known or cannot be used; the message says what to type instead."""


def _split(given: Any) -> Any:
    return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


class Settings(BaseSettings):
    """The settings of one server process. Frozen: what a process was started with is what it runs with."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX, validate_default=True)

    db: str = Field(
        default="sqlite:interlock.db",
        description="The store: `sqlite:FILE`, `postgresql://user@host/database`, or `memory:`, gone with us.",
    )
    records_db: str = Field(
        default="",
        description="The records service's own database, in the forms of `db`; with `routing_db`, and instead of `db`.",
    )
    routing_db: str = Field(
        default="", description="Routing's own database, which holds the one log; with `records_db`."
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on. Loopback, unless you say otherwise.")
    port: int = Field(
        default=8080, ge=0, le=65535, description="The port to listen on; 0 asks the system for a free one."
    )
    role: Annotated[tuple[ProcessRole, ...], BeforeValidator(_split)] = Field(
        default=("api", "records", *ROLES, "webhooks"),
        description="The roles that this process runs, separated by commas; `none` serves HTTP only.",
    )
    shares: int = Field(
        default=0,
        ge=0,
        le=BUCKETS,
        description="Into how many shares each role is divided among processes; 0: nobody else runs these roles.",
    )
    lanes: int = Field(
        default=1,
        ge=1,
        le=QUEUE_BUCKETS,
        description="Into how many lanes, by queue, the routing of each share is divided: for orgs too large for one.",
    )
    lease_seconds: float = Field(
        default=10.0, ge=0.5, le=300, description="How long the share of a process that died stands still."
    )
    nats: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=(), description="The NATS servers that carry the log to other processes, separated by commas."
    )
    nats_prefix: str = Field(
        default="interlock",
        pattern="^[A-Za-z0-9_-]{1,40}$",
        description="How the names of streams and subjects in NATS begin.",
    )
    nats_replicas: int = Field(
        default=0, ge=0, le=5, description="Replicas of each stream; 0: three on a cluster, one on a single server."
    )
    org: str = Field(
        default="Interlock", min_length=1, max_length=200, description="The name of the first organisation."
    )
    bootstrap_key: SecretStr | None = Field(
        default=None, description="The first admin key of an empty store; without it one is made up and printed once."
    )
    log_format: Literal["json", "text"] = Field(default="json", description="The shape of the log on standard error.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is logged."
    )
    event_log: str = Field(
        default="",
        description="Where each event and sync decision is written as a line: a file, or `-` for standard output.",
    )
    detect: bool = Field(
        default=True, description="Whether the detectors of `investigate` look at the own log as it goes."
    )
    console: bool = Field(default=True, description="Whether this server has the web console on its own address.")
    environment: str = Field(
        default="", max_length=40, description="A word in the head of each page of the console: which server this is."
    )
    webhooks_private: bool = Field(
        default=False,
        description="Webhooks may go to addresses that are not public (127.0.0.1, 10.0.0.0/8 …), and over http.",
    )
    rate_limit: int = Field(default=600, ge=0, description="Requests a minute for each key; 0: no limits at all.")
    org_rate_limit: int = Field(
        default=0, ge=0, description="Requests a minute for all keys of a company together; 0: no limit."
    )
    search_rate_limit: int = Field(
        default=100, ge=0, description="Searches a minute for each key that acts for no user; 0: no limit."
    )
    object_rate_limit: int = Field(
        default=60, ge=0, description="Writes a minute of one caller on one conversation; 0: no limit."
    )
    message_rate_limit: int = Field(
        default=120, ge=0, description="Messages a minute of one caller to one customer or conversation; 0: no limit."
    )
    stop_seconds: float = Field(
        default=8.0, gt=0, le=600, description="How long a stop may wait for requests under way."
    )

    @property
    def apart(self) -> bool:
        """Whether the two services have a database each."""
        return bool(self.records_db or self.routing_db)

    @property
    def databases(self) -> tuple[str, ...]:
        """The database, or the two: the records service's and routing's."""
        return (self.records_db, self.routing_db) if self.apart else (self.db,)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *rest: Any, **more: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `gather` found: it knows where each value came from, and refuses what it does not know."""
        return (init_settings,)


class Gathered:
    """Settings, and for each name where its value came from."""

    def __init__(self, settings: Settings, origin: Mapping[str, str]) -> None:
        self.settings = settings
        self.origin = origin

    def shown(self) -> list[dict[str, Any]]:
        """One entry for each setting: name, value (a secret's is hidden), origin, meaning."""
        out: list[dict[str, Any]] = []
        for name, field in Settings.model_fields.items():
            value = getattr(self.settings, name)
            if name in SECRETS:
                value = "(set)" if value else None
            if name in ADDRESSES:
                value = shown(str(value))
            out.append(
                {
                    "name": name,
                    "variable": PREFIX + name.upper(),
                    "value": list(value) if isinstance(value, tuple) else value,
                    "origin": self.origin.get(name, "default"),
                    "meaning": field.description or "",
                }
            )
        return out


def gather(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None = None) -> Gathered:
    """The settings in force. `flags`: what the command line named; `file`: a TOML file (or `INTERLOCK_CONFIG`)."""
    named = environ.get(PREFIX + "CONFIG")
    path = file or (Path(named) if named else None)
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for where, found in (
        (f"file {path}", _of_file(path) if path else {}),
        ("environment", _of_environment(environ)),
        ("flag", {k: v for k, v in flags.items() if v is not None}),
    ):
        for name, value in found.items():
            values[name], origin[name] = value, where
    if values.get("role") in ("none", ("none",)):
        values["role"] = ("api",)
    try:
        settings = Settings(**values)
    except ValidationError as wrong:
        raise WrongSetting(_sentence(wrong, origin)) from None
    _refuse_what_cannot_be(settings)
    _refuse_three_databases(settings, origin)
    return Gathered(settings, origin)


def _refuse_what_cannot_be(settings: Settings) -> None:
    """Roles that need something else."""
    if "console" in settings.role and ("api" not in settings.role or not settings.console):
        raise WrongSetting("The role console is part of the address that api answers on: --role api,console.")
    if "relay" in settings.role and not settings.nats:
        raise WrongSetting("The role relay feeds NATS: name its servers with --nats, or leave the role out.")
    if settings.nats and "memory:" in settings.databases:
        raise WrongSetting("NATS carries the log of a store that several processes share; memory: is one process's.")


def _refuse_three_databases(settings: Settings, origin: Mapping[str, str]) -> None:
    """One database, or one for each of the two services."""
    if not settings.apart:
        return
    if not settings.records_db or not settings.routing_db:
        missing = "records_db" if not settings.records_db else "routing_db"
        raise WrongSetting(f"Two databases are two settings: {PREFIX}{missing.upper()} is missing.")
    if settings.records_db == settings.routing_db and settings.records_db != "memory:":
        raise WrongSetting("records_db and routing_db are the same database: name two, or one with db.")
    if "db" in origin:
        raise WrongSetting(f"Name db ({origin['db']}), or records_db and routing_db; not all three.")


def _of_environment(environ: Mapping[str, str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in OF_CLIENTS:
            continue
        secret = name.removesuffix("_file")
        if name.endswith("_file") and secret in SECRETS | ADDRESSES:
            out[secret] = _secret(variable, Path(value))
        else:
            out[_known(name, variable)] = value
    return out


def _secret(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as why:
        raise WrongSetting(f"{variable} names {path}, which cannot be read: {why.strerror}.") from None


def _of_file(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as why:
        raise WrongSetting(f"The settings file {path} cannot be read: {why.strerror}.") from None
    except tomllib.TOMLDecodeError as why:
        raise WrongSetting(f"The settings file {path} is not TOML: {why}.") from None
    return {_known(name, f"{name} (in {path})"): value for name, value in found.items()}


def _known(name: str, shown: str) -> str:
    if name in Settings.model_fields:
        return name
    near = difflib.get_close_matches(name, [*Settings.model_fields, *OF_CLIENTS], n=1, cutoff=0.5)
    hint = f" Did you mean {PREFIX}{near[0].upper()}?" if near else " `interlock config show` lists them all."
    raise WrongSetting(f"There is no setting {shown}.{hint}")


def _sentence(wrong: ValidationError, origin: Mapping[str, str]) -> str:
    first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    return f"{PREFIX}{name.upper()} ({origin.get(name, 'default')}): {first['msg']}."
