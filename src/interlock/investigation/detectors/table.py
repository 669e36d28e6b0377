"""Every rule that looks at one history, by its id. R26 looks at all of them together: `capacity.py`."""

from __future__ import annotations

from interlock.investigation.detectors.agreement import divergence_at_rest, never_synced
from interlock.investigation.detectors.audits import broken_trace, insufficient_audit, missing_audit
from interlock.investigation.detectors.authorless import authorless_value
from interlock.investigation.detectors.build import Detector
from interlock.investigation.detectors.churn import flapping, revert
from interlock.investigation.detectors.clock_skew import clock_skew
from interlock.investigation.detectors.combination import invalid_combination
from interlock.investigation.detectors.double_effect import double_effect
from interlock.investigation.detectors.holes import rev_gap, unseen_rev
from interlock.investigation.detectors.lost_update import duplicate_rev, lost_update
from interlock.investigation.detectors.mismatch import before_mismatch, snapshot_mismatch
from interlock.investigation.detectors.order import out_of_order_apply, out_of_order_publish
from interlock.investigation.detectors.org import org_mismatch
from interlock.investigation.detectors.orphan import orphan
from interlock.investigation.detectors.policy import policy_inversion
from interlock.investigation.detectors.stale_overwrite import stale_overwrite
from interlock.investigation.detectors.sync_writes import empty_sync_write, sync_loop
from interlock.investigation.detectors.zombie import zombie_write

DETECTORS: dict[str, Detector] = {
    "R1": stale_overwrite,
    "R2": authorless_value,
    "R3": lost_update,
    "R4": duplicate_rev,
    "R5": rev_gap,
    "R6": unseen_rev,
    "R7": before_mismatch,
    "R8": snapshot_mismatch,
    "R9": sync_loop,
    "R10": empty_sync_write,
    "R11": flapping,
    "R12": revert,
    "R13": divergence_at_rest,
    "R14": invalid_combination,
    "R15": out_of_order_publish,
    "R16": out_of_order_apply,
    "R17": double_effect,
    "R18": clock_skew,
    "R19": missing_audit,
    "R20": insufficient_audit,
    "R21": broken_trace,
    "R22": orphan,
    "R23": zombie_write,
    "R24": never_synced,
    "R25": policy_inversion,
    "R27": org_mismatch,
}

NEEDS_SYNC = frozenset({"R1", "R2", "R9", "R10", "R16", "R21"})
"""Rules about what syncs wrote: a history without a sync write has none of these."""

NEEDS_AUDIT = frozenset({"R19", "R20", "R25"})
NEEDS_ITEM = frozenset({"R13", "R14", "R22", "R24"})
