"""R25 policy-inversion."""

from __future__ import annotations

from collections.abc import Iterator

from interlock.investigation.detectors.build import about, found
from interlock.investigation.finding import Finding
from interlock.investigation.history import Chronicle

RANK = {"system": 0, "rule": 1, "workflow": 2, "person": 3}
KNOWN_POLICIES = (None, 0, 1)
"""Versions of the policy under which `RANK` holds."""


def policy_inversion(c: Chronicle) -> Iterator[Finding]:
    """An audit names a winner whose class is weaker than that of a concurrent loser.

    Silent if: the audit states a version of the policy that these ranks are not those of.
    """
    writes = {id(v.audit): v for v in c.versions() if v.audit is not None}
    for audit in c.audits:
        if audit.policy not in KNOWN_POLICIES or audit.winner_class not in RANK:
            continue
        stronger = [k for k in audit.loser_classes if RANK.get(k, -1) > RANK[audit.winner_class]]
        if not stronger:
            continue
        facts = {"winner": audit.winner_class, "losers": list(audit.loser_classes)}
        write = writes.get(id(audit))
        if write is not None:
            yield found("R25", write, proofs=(audit,), facts=facts)
        else:
            yield about("R25", audit, facts=facts)
