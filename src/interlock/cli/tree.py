"""The tree of commands, for the parser. Each command is named by its place and imported only when it is called."""

from __future__ import annotations

from cyclopts import App

from interlock import __version__
from interlock.cli.overview import COMMANDS, EPILOGUE, GROUPS, HELP


def build() -> App:
    """The tree of commands."""
    app = App(
        name="interlock", help=HELP, help_epilogue=EPILOGUE, version=__version__, version_flags=["--version"],
        help_format="plaintext", print_error=False, exit_on_error=False, result_action="return_value",
    )  # fmt: skip
    for name, place, _ in COMMANDS:
        app.command(place, name=name)
    cluster = App(name="cluster", help=dict(GROUPS)["cluster"], help_format="plaintext")
    cluster.command("interlock.cli.cluster.command:dev", name="dev")
    app.command(cluster)
    config = App(name="config", help=dict(GROUPS)["config"], help_format="plaintext")
    config.command("interlock.cli.config:show", name="show")
    app.command(config)
    console = App(name="console", help=dict(GROUPS)["console"], help_format="plaintext")
    console.command("interlock.cli.console:link", name="link")
    app.command(console)
    rule = App(name="rule", help=dict(GROUPS)["rule"], help_format="plaintext")
    rule.command("interlock.cli.rule:dry_run", name="dry-run")
    rule.command("interlock.cli.rule:evaluate", name="evaluate")
    app.command(rule)
    db = App(name="db", help=dict(GROUPS)["db"], help_format="plaintext")
    for name in ("copy", "compare", "backup", "migrate", "restored"):
        db.command(f"interlock.cli.db:{name}", name=name)
    app.command(db)
    return app
