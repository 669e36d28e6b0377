"""Settings: one name in three places, a known order among them, and no silent mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from interlock.runtime.settings import PREFIX, Settings, WrongSetting, gather


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """And each says where it came from."""
    file = tmp_path / "interlock.toml"
    file.write_text('port = 1\nhost = "h1"\norg = "From file"\n', encoding="utf-8")
    found = gather({"port": 3, "host": None}, {"INTERLOCK_PORT": "2", "INTERLOCK_HOST": "h2", "HOME": "x"}, file)
    assert (found.settings.port, found.settings.host, found.settings.org) == (3, "h2", "From file")
    assert found.origin["port"] == "flag"
    assert found.origin["host"] == "environment"
    assert found.origin["org"] == f"file {file}"


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    """INTERLOCK_CONFIG does what --config does."""
    file = tmp_path / "interlock.toml"
    file.write_text("port = 4\n", encoding="utf-8")
    assert gather({}, {"INTERLOCK_CONFIG": str(file)}).settings.port == 4


@pytest.mark.parametrize("variable", ["INTERLOCK_PROT", "INTERLOCK_LOG_FROMAT", "INTERLOCK_EVNT_LOG"])
def test_a_name_that_is_not_known_is_an_error_with_a_suggestion(variable: str) -> None:
    """A mistyped setting never passes in silence."""
    with pytest.raises(WrongSetting, match=r"There is no setting .*Did you mean INTERLOCK_"):
        gather({}, {variable: "1"})


def test_a_name_in_a_file_that_is_not_known_is_an_error_too(tmp_path: Path) -> None:
    """The message says which file."""
    file = tmp_path / "interlock.toml"
    file.write_text("prot = 1\n", encoding="utf-8")
    with pytest.raises(WrongSetting, match=r"prot \(in .*interlock\.toml\).*INTERLOCK_PORT"):
        gather({}, {}, file)


@pytest.mark.parametrize("name", ["URL", "KEY", "KEY_FILE", "CONFIG"])
def test_names_of_other_commands_are_no_mistake(name: str, tmp_path: Path) -> None:
    """A shell that talks to a server can start one as well."""
    value = str(tmp_path / "f.toml") if name == "CONFIG" else "x"
    (tmp_path / "f.toml").write_text("", encoding="utf-8")
    assert gather({}, {PREFIX + name: value}).settings == Settings()


def test_a_secret_may_stand_in_a_file_and_is_never_shown(tmp_path: Path) -> None:
    """INTERLOCK_BOOTSTRAP_KEY_FILE, with the newline that editors add taken off."""
    (tmp_path / "key").write_text("ilk_secret\n", encoding="utf-8")
    found = gather({}, {"INTERLOCK_BOOTSTRAP_KEY_FILE": str(tmp_path / "key")})
    assert found.settings.bootstrap_key is not None
    assert found.settings.bootstrap_key.get_secret_value() == "ilk_secret"
    assert "ilk_secret" not in repr(found.settings)
    assert "ilk_secret" not in str(found.shown())


def test_the_url_of_the_store_may_stand_in_a_file_and_its_password_is_never_shown(tmp_path: Path) -> None:
    """As a container's secret is handed in."""
    (tmp_path / "db").write_text("postgresql://i:geheim@db/interlock\n", encoding="utf-8")
    found = gather({}, {"INTERLOCK_DB_FILE": str(tmp_path / "db")})
    assert found.settings.db == "postgresql://i:geheim@db/interlock"
    assert "geheim" not in str(found.shown())


def test_a_secret_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(WrongSetting, match="No such file"):
        gather({}, {"INTERLOCK_BOOTSTRAP_KEY_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("variable", "value"),
    [("INTERLOCK_PORT", "x"), ("INTERLOCK_PORT", "70000"), ("INTERLOCK_ROLE", "cook"), ("INTERLOCK_LOG_LEVEL", "loud")],
)
def test_a_value_that_cannot_be_used_says_whose_it_is(variable: str, value: str) -> None:
    """The variable and where it was set, in one sentence."""
    with pytest.raises(WrongSetting, match=rf"{variable} \(environment\): "):
        gather({}, {variable: value})


@pytest.mark.parametrize(
    ("text", "roles"), [("sync, rules", ("sync", "rules")), ("none", ("api",)), ("routing", ("routing",))]
)
def test_roles_are_words_separated_by_commas(text: str, roles: tuple[str, ...]) -> None:
    """Or none at all."""
    assert gather({"role": text}, {}).settings.role == roles


def test_settings_are_frozen() -> None:
    """What a process was started with is what it runs with."""
    with pytest.raises(ValidationError):
        Settings().port = 1


def test_every_setting_says_what_it_means() -> None:
    """The reference is made from these."""
    assert all(entry["meaning"] for entry in gather({}, {}).shown())


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"role": "console"}, "--role api,console"),
        ({"role": "relay"}, "--nats"),
        ({"nats": "nats://127.0.0.1:4222", "db": "memory:"}, "memory: is one process's"),
    ],
)
def test_roles_that_cannot_be_are_refused_with_what_to_do(flags: dict[str, str], says: str) -> None:
    with pytest.raises(WrongSetting, match=says):
        gather(flags, {})


@pytest.mark.parametrize(("given", "said"), [
    ({"records_db": "sqlite:a.db"}, "INTERLOCK_ROUTING_DB is missing"),
    ({"records_db": "sqlite:a.db", "routing_db": "sqlite:a.db"}, "the same database"),
    ({"records_db": "sqlite:a.db", "routing_db": "sqlite:b.db", "db": "sqlite:c.db"}, "not all three"),
])  # fmt: skip
def test_two_databases_are_two_and_not_three(given: dict[str, str], said: str) -> None:
    """Whoever names one of the two, or all three, is told so before anything is opened."""
    with pytest.raises(WrongSetting, match=said):
        gather(given, {})
    assert gather({"records_db": "sqlite:a.db", "routing_db": "sqlite:b.db"}, {}).settings.apart
