"""What `interlock --help` says. It stands apart from the parser: help is asked for most often, and imports nothing."""

from __future__ import annotations

HELP = """Self-hosted work routing in which no assignment is ever lost.

Start with `interlock demo`, then `interlock serve`. Every command takes --json, --debug and --help.
"""
EPILOGUE = """Exit codes: 0 done, 1 failed, 2 wrong usage, 3 finished and found something,
4 not reachable or not allowed, 5 conflict, 130 interrupted."""

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("serve", "interlock.cli.serve:serve", "Run the server: API, router and workers in one process."),
    ("demo", "interlock.cli.demo.command:demo", "Realistic traffic on a throw-away store, live in this terminal."),
    (
        "investigate",
        "interlock.cli.investigate:investigate",
        "Which write did the harm, from which stale read: from logs of any system that counts revisions.",
    ),
    (
        "events",
        "interlock.cli.events:events",
        "The log as JSON lines, one CloudEvent each, from any position, and with --follow as it grows.",
    ),
    (
        "explain",
        "interlock.cli.explain:explain",
        "Why this assignment, this sync, this wait: by the id of a conversation, work item, queue or decision.",
    ),
    (
        "apply",
        "interlock.cli.apply:apply",
        "Make a server's configuration what the files say: queues, rules, teams, statuses. The plan comes first.",
    ),
    (
        "diff",
        "interlock.cli.diff:diff",
        "What `interlock apply` would change. Exits with 0 if nothing, with 1 if something: as diff does.",
    ),
    (
        "export",
        "interlock.cli.export:export",
        "A server's configuration as YAML with comments: the same state is always the same bytes.",
    ),
    (
        "simulate",
        "interlock.cli.simulate:simulate",
        "Yesterday's traffic under another configuration: per queue before and after, waits, and how the load lies.",
    ),
    (
        "prove",
        "interlock.cli.prove:prove",
        "Explore the interleavings of the sync on the production code, and say how far.",
    ),
    ("replay", "interlock.cli.replay:replay", "Play a counterexample again, step by step."),
    ("doctor", "interlock.cli.doctor:doctor", "Check a server or a store; each failed check comes with its fix."),
    ("openapi", "interlock.cli.openapi:openapi", "The description of the HTTP API, as OpenAPI 3.1."),
    (
        "completion",
        "interlock.cli.completion:completion",
        "Completion for bash, zsh or fish: the script, to be sourced by the shell.",
    ),
    ("version", "interlock.cli.version:version", "What this is, down to the SQLite it runs on."),
)
"""Name, where the function is, and its line in the list of commands."""

GROUPS: tuple[tuple[str, str], ...] = (
    ("cluster", "A whole installation on this machine, to look at: `interlock cluster dev`."),
    ("config", "The settings in force: `interlock config show`."),
    ("db", "Copy a store to another engine, compare, back up, and after a restore: `interlock db copy`."),
    ("console", "The web console: `interlock console link` signs somebody in."),
    ("rule", "Queue rules tried out before they are saved: `interlock rule dry-run`, `interlock rule evaluate`."),
)
"""Commands that only hold others."""


def text() -> str:
    """The first page of help."""
    rows = [(name, help) for name, _, help in COMMANDS] + list(GROUPS)
    width = max(len(name) for name, _ in rows)
    commands = "\n".join(f"  {name:<{width}}  {help}" for name, help in sorted(rows))
    return f"Usage: interlock COMMAND\n\n{HELP}\nCommands:\n{commands}\n\nExample: interlock demo\n\n{EPILOGUE}\n"
