"""The catalogue of anomalies, as data. A name here is an interface: reports, metrics and documents use it.

high: intent or data lost · medium: wrong, or visible to users · low: evidence or hygiene. `X@n` is record X at rev n.
"""

from __future__ import annotations

from typing import NamedTuple

from interlock.investigation.finding import Severity

PAGE = "reference/anomalies.md"


class Anomaly(NamedTuple):
    """One kind of finding. `lesser`: the severity of its harmless form, if it has one."""

    id: str
    name: str
    severity: Severity
    definition: str
    fooled_by: str
    lesser: Severity | None = None

    @property
    def anchor(self) -> str:
        """Where the documents define it."""
        return f"{PAGE}#{self.id.lower()}-{self.name}"


_ALL = (
    Anomaly(
        "R1", "stale-overwrite", "high",
        "A derived write replaced a value that an intent had set after the version the write was decided from.",
        "the author of the intent asked for the undo elsewhere; the written value equals a later intent on the peer; "
        "the settled conflict is on record; a version of the peer that the log does not show",
    ),
    Anomaly(
        "R2", "authorless-value", "high",
        "A sync wrote a value that no event of the record it came from ever set.",
        "a log that starts late; a default at creation; a hidden null; a peer version that the log does not show",
    ),
    Anomaly(
        "R3", "lost-update", "high",
        "A write was made on a version that another client had already replaced, and took that client's value away.",
        "an event that was published again; snapshots of different fields",
    ),
    Anomaly(
        "R4", "duplicate-rev", "high",
        "One rev of one record stands in the log twice: high if the contents differ, low if they are equal.",
        "a redelivery, also one with new envelope ids", lesser="low",
    ),
    Anomaly(
        "R5", "rev-gap", "medium",
        "Two neighbours in the log of one record are not rev n and n + 1.",
        "the edge of the log; event types that were filtered out; a system that counts in larger steps and says so",
    ),
    Anomaly(
        "R6", "unseen-rev", "low",
        "A before-rev or a read mark names a rev that the log does not show. It is a hole: it lowers what spans it.",
        "the edge of the log",
    ),
    Anomaly(
        "R7", "before-mismatch", "high",
        "What rev n + 1 says was there before is not what rev n left there.",
        "computed fields; other ways to write a number or a time; the order of a list; a rev between that is not shown",
    ),
    Anomaly(
        "R8", "snapshot-mismatch", "medium",
        "What an event says a field became is not what the resource in the same event shows.",
        "other ways to write a number or a time; a field that the resource does not carry",
    ),
    Anomaly(
        "R9", "sync-loop", "medium",
        "Syncs write a value back and forth, more often than there were intents to carry.",
        "two people disputing; retries of one decision; intents that the log does not show",
    ),
    Anomaly(
        "R10", "empty-sync-write", "low",
        "A sync moved the rev and the time of a record and nothing else.",
        "knowledge that moved without being shown",
    ),
    Anomaly(
        "R11", "flapping", "medium",
        "Machines changed the assignment of one record three times or more within the window.",
        "offers that ring at many; bulk jobs; one person clicking; a requeue",
    ),
    Anomaly(
        "R12", "revert", "medium",
        "A field went back to its earlier value within the window, by another client. On its own never a verdict.",
        "a person who rejects; somebody who had seen the value; a copy of a later intent",
    ),
    Anomaly(
        "R13", "divergence-at-rest", "high",
        "The two records differ and nothing has moved on either for the window. (That they agree proves no health.)",
        "other vocabularies; a cut log; a field that one side never shows; a closed item",
    ),
    Anomaly(
        "R14", "invalid-combination", "medium",
        "A record, or a pair, showed what cannot be true at once: medium at rest, low in flight.",
        "a pair whose sync is on its way", lesser="low",
    ),
    Anomaly(
        "R15", "out-of-order-publish", "low",
        "A later rev of a record was published before an earlier one.",
        "clocks of two hosts; a redelivery",
    ),
    Anomaly(
        "R16", "out-of-order-apply", "high",
        "A sync carried an older version of the peer after a newer one, and the value went back.",
        "an older version that says the same",
    ),
    Anomaly(
        "R17", "double-effect", "high",
        "One effect key, or one source version, led to two writes of the same value.",
        "a redelivery of the same event; two writes that carry different fields",
    ),
    Anomaly(
        "R18", "clock-skew", "low",
        "Times that cannot all be true: an event before its commit, an effect before its cause, revs against time.",
        "ids, which give a second only; ids that hold no time",
    ),
    Anomaly(
        "R19", "missing-audit", "medium",
        "A sync write without an audit of the same record, value and trace, or an audit without its write.",
        "audits kept elsewhere; the edge of the log; a write that was refused",
    ),
    Anomaly(
        "R20", "insufficient-audit", "low",
        "An audit that names neither what was read of the peer nor a basis, or that was written after the effect.",
        "the audit of a write that needed no peer",
    ),
    Anomaly(
        "R21", "broken-trace", "low",
        "The trace of a sync write leads to no event of the peer: what caused it is inferred.",
        "a peer that the log does not show at all",
    ),
    Anomaly(
        "R22", "orphan", "medium",
        "A link that leads nowhere: a resource that was deleted, two open items for one conversation, a one-way link.",
        "the edge of the log",
    ),
    Anomaly(
        "R23", "zombie-write", "high",
        "A worker wrote after its term: what it read was replaced longer ago than a lease lasts, or its epoch is old.",
        "slow but valid: what it wrote is still what the peer says",
    ),
    Anomaly(
        "R24", "never-synced", "medium",
        "An intent on one record, and within the window no take, no noop and no duplicate on the other.",
        "a field that is not shared; an intent that was superseded; a log that shows no syncs; the edge of the log",
    ),
    Anomaly(
        "R25", "policy-inversion", "high",
        "The intent that won a conflict is of a weaker class than one that lost.",
        "another version of the policy",
    ),
    Anomaly(
        "R26", "over-capacity", "medium",
        "A user held more open items than the limit allows, and nothing flags that somebody decided so.",
        "items that the log does not show; assignments that came from a person",
    ),
    Anomaly(
        "R27", "org-mismatch", "high",
        "Org or partition differ between event, record, link and audit.",
        "a partition that orders events by record; ids that two orgs happen to share",
    ),
)  # fmt: skip

CATALOGUE: dict[str, Anomaly] = {a.id: a for a in _ALL}
"""R1 … R27, in order."""

NEVER_ALONE = frozenset({"R5", "R12", "R19"})
"""Medium findings that say that evidence is missing, or that a value moved: by themselves no proof of harm."""


def severity_of(rule: str) -> Severity:
    """The severity of a rule's full form. Raises `KeyError` for a rule that is not in the catalogue."""
    return CATALOGUE[rule].severity
