"""The live picture of the demonstration: queues and waits, agents by state, syncs by outcome, assignments lost."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from interlock.cli.demo.story import Story, spread
from interlock.domain.decision import Party


def board(story: Story, now: int) -> RenderableType:
    """The whole picture at one moment (ms)."""
    side_by_side = Table.grid(padding=(0, 3))
    side_by_side.add_row(_queues(story, now), _agents(story), _syncs(story))
    return Group(side_by_side, _head(story, now), _latest(story))


def _head(story: Story, now: int) -> RenderableType:
    waits = spread(story.waits)
    lost, broken = story.ledger.lost, len(story.ledger.violations) - story.ledger.lost
    text = Text()
    text.append(f"{story.conversations} conversations", style="bold")
    text.append(f", {len(story.assigned)} assigned, {story.completed} done, {story.reopened} reopened")
    text.append(f"    {story.assignments_per_s(now):.1f} assignments/s\n")
    offers = story.offers
    text.append(f"offers: {offers['accepted']} taken, {offers['rejected']} declined, {offers['timed-out']} let pass")
    text.append(f"    wait p50 {_ms(waits['p50'])}, p99 {_ms(waits['p99'])}\n")
    text.append("assignments lost: ", style="bold")
    text.append(str(lost), style="bold green" if not lost else "bold red")
    text.append(f"    invariants broken: {broken}", style="" if not broken else "bold red")
    text.append(f"    {story.ledger.rows} rows of the log checked", style="dim")
    return Panel(text, expand=False)


def _queues(story: Story, now: int) -> Table:
    table = Table(title="queues", title_justify="left", box=None, pad_edge=False)
    table.add_column("queue", no_wrap=True)
    for head in ("waiting", "longest", "taken"):
        table.add_column(head, justify="right", no_wrap=True)
    for line in story.queues():
        longest = _ms(now - line.since) if line.since is not None else "-"
        table.add_row(line.name, str(line.waiting), longest, str(line.taken))
    return table


def _agents(story: Story) -> Table:
    table = Table(title="agents", title_justify="left", box=None, pad_edge=False)
    table.add_column("state")
    table.add_column("now", justify="right")
    now = story.agents()
    for state in ("free", "busy", "ringing", "away"):
        table.add_row(state, str(now.get(state, 0)))
    return table


def _syncs(story: Story) -> Table:
    table = Table(title="sync decisions", title_justify="left", box=None, pad_edge=False)
    table.add_column("outcome")
    table.add_column("forward", justify="right")
    table.add_column("reverse", justify="right")
    for kind in sorted(set(story.syncs["forward"]) | set(story.syncs["reverse"])):
        style = "yellow" if kind == "conflict" else ""
        table.add_row(kind, str(story.syncs["forward"][kind]), str(story.syncs["reverse"][kind]), style=style)
    return table


def _latest(story: Story) -> RenderableType:
    """The last race, in words: who is in force, who gave way."""
    row = story.last_conflict
    if row is None or row.why.winner is None or not row.why.losers:
        return Text("no race yet: the workflow and the rules have not met", style="dim")
    winner, loser = row.why.winner, row.why.losers[0]
    text = Text(f"last race, conversation {row.partition}: ", style="dim")
    text.append(f"{_party(story, winner)} is in force, {_party(story, loser)} gave way; both are kept\n")
    text.append(f"  interlock explain {row.partition}", style="dim")
    return text


def _party(story: Story, who: Party) -> str:
    record = who.record.type.replace("_", " ")
    return f"{story.names.get(who.actor.id, who.actor.id)} ({who.actor.cls}, {record} rev {who.rev})"


def _ms(value: int | None) -> str:
    if value is None:
        return "-"
    return f"{value} ms" if value < 1_000 else f"{value / 1000:.1f} s"
