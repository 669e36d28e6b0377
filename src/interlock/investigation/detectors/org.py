"""R27 org-mismatch."""

from __future__ import annotations

from collections.abc import Iterator

from interlock.investigation.detectors.build import about
from interlock.investigation.finding import Finding
from interlock.investigation.history import Chronicle
from interlock.investigation.observation import Observation


def org_mismatch(c: Chronicle) -> Iterator[Finding]:
    """Org or partition differ between an event, its record, what the record links to, and the audit of the write.

    Silent if: an org is not said; the partition orders events by record; two orgs merely use the same ids, each with
    its own chain of revs.
    """
    orgs: dict[tuple[str, str], Observation] = {}
    for o in c.observations:
        org = o.record.org
        if not org:
            continue
        first = orgs.setdefault((o.record.type, o.record.id), o)
        if first.record.org != org and not _own_chain(c, o):
            yield about(
                "R27", o, rev=o.rev, proofs=(first,), facts={"orgs": [first.record.org, org], "where": "record"}
            )
        elif o.resource is not None and o.resource.org and o.resource.org != org:
            yield about("R27", o, rev=o.rev, facts={"orgs": [org, o.resource.org], "where": "link"})
        elif _foreign_partition(o):
            yield about("R27", o, rev=o.rev, facts={"orgs": [org, o.partition], "where": "partition"})
    for audit in c.audits:
        named = orgs.get((audit.record.type, audit.record.id))
        if named is not None and audit.record.org and audit.record.org != named.record.org:
            facts = {"orgs": [named.record.org, audit.record.org], "where": "audit"}
            rev = None if audit.guard is None else audit.guard + 1
            yield about("R27", audit, rev=rev, proofs=(named,), facts=facts)


def _own_chain(c: Chronicle, o: Observation) -> bool:
    """Whether this org has a chain of its own for the id: some rev stands in both orgs."""
    revs: dict[str, set[int | None]] = {}
    for x in c.observations:
        if (x.record.type, x.record.id) == (o.record.type, o.record.id):
            revs.setdefault(x.record.org, set()).add(x.rev)
    mine = revs.get(o.record.org, set())
    return any(mine & theirs for org, theirs in revs.items() if org != o.record.org)


def _foreign_partition(o: Observation) -> bool:
    org, partition = o.record.org, o.partition
    if not partition or partition == org or partition in (o.group, o.record.id) or "/" in partition:
        return False
    if o.resource is not None and partition == o.resource.id:
        return False
    return len(partition) == len(org)
