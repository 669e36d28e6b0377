"""Findings in plain sentences, from their facts alone. A cause is never told across a hole without naming the hole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from interlock.investigation.anomalies import CATALOGUE
from interlock.investigation.finding import Finding
from interlock.investigation.observation import RecordRef
from interlock.investigation.verdict import span

Facts = Mapping[str, Any]

_CERTAINTY = {"proven": "", "inferred": "This is inferred, not proven: ", "possible": "This is possible only: "}


def explain(f: Finding) -> str:
    """A finding as one short paragraph."""
    return " ".join(s for s in (_SENTENCES.get(f.rule, _plain)(f), _limits(f)) if s)


def noun(record: RecordRef) -> str:
    """What a record is called in a sentence."""
    return record.type.replace("_", " ").replace("-", " ")


def who(f: Finding) -> str:
    """The version that a finding is about."""
    return f"{noun(f.record)} rev {f.rev}" if f.rev is not None else f"{noun(f.record)} {f.record.id}"


def says(value: Any) -> str:
    """A value in a sentence."""
    if value in (None, "", [], ()):
        return "nobody" if isinstance(value, list | tuple) else "nothing"
    if isinstance(value, list | tuple):
        return ", ".join(str(v) for v in value)
    return value.decode() if isinstance(value, bytes) else str(value)


def _begin(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _ms(n: int) -> str:
    return f"{n:,} ms"


def _limits(f: Finding) -> str:
    """Why it is no surer, and on what a guess it rests."""
    parts: list[str] = []
    crossed, hidden = f.facts.get("crossed"), f.facts.get("hidden")
    if crossed:
        parts.append(f"rev {_revs(crossed)} of the {noun(f.record)}, between the two, is not in the log")
    if hidden and f.basis is not None:
        parts.append(f"{noun(f.basis.record)} rev {_revs(hidden)} is not in the log and may be what was read")
    if f.facts.get("gaps"):
        parts.append(f"revs {_revs(f.facts['gaps'])} of the other record are not in the log")
    if f.grade == "C":
        parts.append("a value that it rests on was guessed in repairing the log")
    if f.certainty == "proven":
        return ""
    if not parts:
        parts.append("the log does not say it itself")
    return f"{_CERTAINTY[f.certainty]}{'; '.join(parts)}."


def _revs(revs: list[int]) -> str:
    return span(min(revs), max(revs))


def _stale_overwrite(f: Finding) -> str:
    lost, basis, t = f.lost, f.basis, f.intervals_ms
    assert lost is not None
    assert basis is not None
    way = "reverse" if f.facts.get("to_conversation") else "forward"
    guard = f", guard {f.guard}" if f.guard is not None else ""
    what = "assignment of" if f.field.startswith("assign") else f"{f.field}"
    owner = f.facts.get("lost_source") or lost.client or "somebody"
    peer = noun(basis.record)
    head = (
        f"{_begin(who(f))} ({way} sync, client {f.client}{guard}, basis {basis.saw_rev}) replaced the {owner}'s "
        f"{what} {says(lost.value)} (rev {lost.rev}) by {says(f.facts.get('value'))}."
    )
    lived = ""
    if "lived" in t:
        since = f", {_ms(t['lived_from_publication'])} from its publication" if "lived_from_publication" in t else ""
        lived = f"It lived {_ms(t['lived'])} (commit to commit){since}."
    how = "It had read" if f.facts.get("named") else "The newest it can have read is"
    read = f"{how} {peer} rev {basis.rev}, which had seen rev {basis.saw_rev} of the {noun(f.record)}."
    ages: list[str] = []
    if "basis_age_at_least" in t:
        ages.append(f"that basis was at least {_ms(t['basis_age_at_least'])} old at the write")
    if "peer_stale_when_written" in t:
        ages.append(f"{peer} rev {basis.rev} was already {_ms(t['peer_stale_when_written'])} stale when it was written")
    if "peer_to_write" in t:
        ages.append(f"{peer} rev {basis.rev} → {who(f)} took {_ms(t['peer_to_write'])}")
    if "audit_after_write" in t and t["audit_after_write"] > 0:
        ages.append(f"the audit line came {_ms(t['audit_after_write'])} after the write")
    told = "; ".join(ages)
    return " ".join(s for s in (head, lived, read, f"{told[0].upper()}{told[1:]}." if told else "") if s)


def _authorless(f: Finding) -> str:
    peer = noun(f.facts["peer"])
    if f.facts.get("never_shown"):
        why = f"none of the {f.facts['versions']} {peer} events in the log speaks of it: absent was taken for empty"
    else:
        why = f"no {peer} event in the log ever set it"
    return f"The sync wrote {says(f.facts['value'])} to {f.field} at {who(f)}, and {why}."


def _lost_update(f: Finding) -> str:
    if f.lost is not None:
        return (
            f"{_begin(who(f))} by {f.client} took {f.field} for what it had been before rev {f.lost.rev}, and "
            f"replaced {says(f.lost.value)} of {f.lost.client} without having seen it."
        )
    other = f.facts.get("other_rev", f.rev)
    return f"{_begin(who(f))} and rev {other} both say that they replaced rev {f.facts['before_rev']}."


def _duplicate(f: Finding) -> str:
    how = "with the same contents under two ids" if f.facts["equal"] else "with different contents"
    return f"{_begin(who(f))} stands in the log twice, {how}."


def _gap(f: Finding) -> str:
    missing = span(f.facts["from"], f.facts["to"])
    return f"After rev {f.facts['after']} the log goes on with {who(f)}: rev {missing} is missing."


def _unseen(f: Finding) -> str:
    named = ", ".join(map(str, f.facts["named"]))
    runs = span(f.facts["from"], f.facts["to"])
    record = noun(f.record)
    return (
        f"The log does not show rev {runs} of the {record}, though it names {named}: what spans them is less certain."
    )


def _before(f: Finding) -> str:
    return (
        f"{_begin(who(f))} says that {f.field} was {says(f.facts['said'])} before it; rev {(f.rev or 0) - 1} left "
        f"{says(f.facts['left'])}."
    )


def _snapshot(f: Finding) -> str:
    return (
        f"{_begin(who(f))} says that {f.field} became {says(f.facts['said'])}; the resource in the same event "
        f"shows {says(f.facts['shown'])}."
    )


def _loop(f: Finding) -> str:
    values = " → ".join(says(v) for v in f.facts["values"])
    revs = ", ".join(map(str, f.facts["revs"]))
    return f"Syncs wrote {f.field} back and forth ({values}, revs {revs}), and nobody asked for it."


def _flapping(f: Finding) -> str:
    authors = ", ".join(dict.fromkeys(f.facts["authors"]))
    within = f" within {_ms(f.intervals_ms['within'])}" if "within" in f.intervals_ms else ""
    return f"The assignment of the {noun(f.record)} changed {len(f.facts['values'])} times{within}, by {authors}."


def _revert(f: Finding) -> str:
    lived = f" after {_ms(f.intervals_ms['lived'])}" if "lived" in f.intervals_ms else ""
    return (
        f"{f.field} went back{lived}: {who(f)} by {f.client} undid what {f.facts['by']} had set at rev "
        f"{f.facts['rev']}. By itself that proves nothing."
    )


def _divergence(f: Finding) -> str:
    return (
        f"Nothing has moved for {_ms(f.intervals_ms.get('rest', 0))}, and the two differ in "
        f"{', '.join(f.facts['fields'])}: conversation rev {f.facts['conversation_rev']} shows "
        f"{says(f.facts['conversation'])}, the item's rev {f.facts['item_rev']} {says(f.facts['item'])}."
    )


def _combination(f: Finding) -> str:
    lasted = f.intervals_ms.get("lasted")
    how_long = f"for {_ms(lasted)}" if lasted is not None else "until the log ends"
    how = "at rest" if f.facts["at_rest"] else "in flight"
    return f"{_begin(f.facts['what'])}, {how_long} from {who(f)} on ({how})."


def _publish(f: Finding) -> str:
    return f"{_begin(who(f))} was published before rev {f.facts['earlier']}, by its {f.facts['by']}."


def _apply(f: Finding) -> str:
    facts = f.facts
    return (
        f"{_begin(who(f))} carries rev {facts['source_rev']} of the other record after rev {facts['newer_rev']} "
        f"had been carried, and {f.field} went back to {says(facts['value'])}."
    )


def _double(f: Finding) -> str:
    if "key" in f.facts:
        return f"The effect {f.facts['key']} happened twice: at rev {f.facts['other_rev']} and at {who(f)}."
    source, other = f.facts["source_rev"], f.facts["other_rev"]
    return f"Rev {source} of the other record was written twice: at rev {other} and at {who(f)}."


def _skew(f: Finding) -> str:
    count = f.facts["count"]
    times = f", {count} times" if count > 1 else ""
    return (
        f"Clocks disagree ({f.facts['kind']}{times}) by at least {_ms(f.intervals_ms['at_least'])}; shown at {who(f)}."
    )


def _missing_audit(f: Finding) -> str:
    match f.facts["missing"]:
        case "audit":
            return f"{_begin(who(f))} was written by a sync, and no audit tells of it."
        case "value":
            told, shown = says(f.facts["told"]), says(f.facts["shown"])
            return f"The audit of {who(f)} says that {f.field} became {told}; the event shows {shown}."
        case _:
            return f"An audit says that it wrote {who(f)}; that rev was written by {f.facts['by']}."


def _insufficient(f: Finding) -> str:
    parts = ["names neither what it had read of the other record nor a basis"] if f.facts["blind"] else []
    if f.facts["late_ms"] > 0:
        parts.append(f"was written {_ms(f.facts['late_ms'])} after its effect")
    return f"The audit of {who(f)} {' and '.join(parts)}."


def _trace(f: Finding) -> str:
    if "peer" in f.facts:
        peer = f"{noun(f.facts['peer'])} rev {f.facts['peer_rev']}"
        return f"The trace of {who(f)} is not that of {peer}: that this one triggered it is inferred."
    return f"The trace of {who(f)} leads to no event of the other record."


def _orphan(f: Finding) -> str:
    return f"{_begin(who(f))}: {f.facts['what']}."


def _zombie(f: Finding) -> str:
    if "epoch" in f.facts:
        return f"{_begin(who(f))} was written under lease epoch {f.facts['epoch']}, after epoch {f.facts['seen']}."
    age = _ms(f.intervals_ms["basis_replaced"])
    return f"{_begin(who(f))} rests on rev {f.facts['read_rev']} of the other record, replaced {age} before."


def _never_synced(f: Finding) -> str:
    value, peer = says(f.facts["value"]), noun(f.facts["peer"])
    return f"{_begin(who(f))} set {f.field} to {value}; the {peer} neither took it nor said why not."


def _policy(f: Finding) -> str:
    losers = ", ".join(f.facts["losers"])
    return f"At {who(f)} a {f.facts['winner']}'s intent won against one of class {losers}, which is stronger."


def _capacity(f: Finding) -> str:
    facts = f.facts
    return f"With {who(f)} user {facts['user']} held {facts['load']} of {facts['limit']}, and nothing flags it."


def _org(f: Finding) -> str:
    a, b = f.facts["orgs"]
    return f"{_begin(who(f))} is of org {a} by one account and of {b} by its {f.facts['where']}."


def _plain(f: Finding) -> str:
    return f"{_begin(who(f))}: {CATALOGUE[f.rule].definition}"


_SENTENCES: dict[str, Callable[[Finding], str]] = {
    "R1": _stale_overwrite,
    "R2": _authorless,
    "R3": _lost_update,
    "R4": _duplicate,
    "R5": _gap,
    "R6": _unseen,
    "R7": _before,
    "R8": _snapshot,
    "R9": _loop,
    "R11": _flapping,
    "R12": _revert,
    "R13": _divergence,
    "R14": _combination,
    "R15": _publish,
    "R16": _apply,
    "R17": _double,
    "R18": _skew,
    "R19": _missing_audit,
    "R20": _insufficient,
    "R21": _trace,
    "R22": _orphan,
    "R23": _zombie,
    "R24": _never_synced,
    "R25": _policy,
    "R26": _capacity,
    "R27": _org,
}
