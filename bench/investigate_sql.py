"""R1 as SQL in DuckDB, as somebody would write it who knows both the rule and DuckDB: `investigate_sql.py LOG`.

It names for each sync write the last version of the item before it, by time, and asks what that one had seen. It is the
one rule, without certainty, holes or evidence.
"""

from __future__ import annotations

import json
import resource
import sys
import time

SQL = """
WITH lines AS (
  SELECT json->'body'->'body' AS b FROM read_csv($log, columns={'json': 'JSON'}, delim='\\x01', quote='', escape='',
    header=false, ignore_errors=true, max_line_size=16000000) WHERE json_valid(json)
), events AS (
  SELECT b->>'$.data.type' AS type, b->>'$.data.id' AS id, b->>'$.data.relationships.resource.data.id' AS about,
    CAST(b->>'$.data.attributes.rev' AS INT) AS rev, CAST(b->>'$.data.attributes.resourceRev' AS INT) AS seen,
    b->>'$.data.attributes.updatedAt' AS moment, coalesce(b->>'$.isSync', 'false') = 'true' AS sync,
    b->'$.changes.attributes.assignedUsers.before' AS before, b->'$.changes.attributes.assignedUsers.after' AS after
  FROM lines WHERE b IS NOT NULL
), conversations AS (SELECT DISTINCT * FROM events WHERE type = 'conversation' AND after IS NOT NULL),
items AS (SELECT DISTINCT about, rev, seen, moment FROM events WHERE type = 'work_item'),
pairs AS (
  SELECT d.id, d.rev, i.rev AS lost, d.moment FROM conversations d JOIN conversations i
    ON d.id = i.id AND i.rev < d.rev AND d.sync AND NOT i.sync AND d.before::TEXT = i.after::TEXT
    AND d.after::TEXT <> i.after::TEXT
)
SELECT count(*) FROM (
  SELECT p.id, p.rev, max(i.seen) AS seen, p.lost FROM pairs p JOIN items i ON i.about = p.id AND i.moment <= p.moment
  GROUP BY ALL) WHERE seen < lost
"""


def main() -> None:
    """Runs it with two threads; seconds, hits and peak memory as JSON."""
    import duckdb  # type: ignore[import-not-found]

    base = duckdb.connect(config={"threads": 2})
    begun = time.perf_counter()
    hits = base.execute(SQL, {"log": sys.argv[1]}).fetchone()
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps({"seconds": seconds, "hits": hits[0] if hits else 0, "peak": peak}))


if __name__ == "__main__":
    main()
