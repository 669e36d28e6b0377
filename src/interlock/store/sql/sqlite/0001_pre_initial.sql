-- Every noun lives in one table: what queries need is promoted to columns (record.Index), the rest is the body.
-- Rowid tables: at this size of row WITHOUT ROWID would halve the writes per second.
CREATE TABLE record (
    key        INTEGER PRIMARY KEY,
    type       TEXT NOT NULL,
    org        TEXT NOT NULL,
    id         TEXT NOT NULL,
    rev        INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    state      TEXT NOT NULL,
    parent     TEXT NOT NULL,
    queue      TEXT NOT NULL,
    owner      TEXT NOT NULL,
    sort       TEXT NOT NULL,
    due_at     INTEGER,
    mark       TEXT NOT NULL,
    body       BLOB NOT NULL
);

CREATE UNIQUE INDEX record_address ON record (type, org, id);
CREATE INDEX record_listing ON record (type, org, state, sort, id);
CREATE INDEX record_children ON record (org, parent, type, sort, id) WHERE parent != '';
CREATE INDEX record_waiting ON record (org, queue, sort, id, state) WHERE type = 'work_item' AND queue != '';
CREATE INDEX record_owned ON record (org, owner, id) WHERE type = 'work_item' AND owner != '' AND state != 'completed';
CREATE INDEX record_live_session ON record (org, owner, sort, id) WHERE type = 'work_session' AND state != 'ended';
CREATE INDEX record_due ON record (type, due_at, id, org) WHERE due_at IS NOT NULL;

-- The two sides of `out_of_step`: both are read from end to end, so they hold the mark and only what is alive.
CREATE INDEX record_live_conversation ON record (org, id, mark)
    WHERE type = 'conversation' AND state NOT IN ('done', 'deleted');
CREATE INDEX record_open_item ON record (org, parent, mark) WHERE type = 'work_item' AND state != 'completed';

-- Unique names, each unique in the whole store.
CREATE TABLE claim (
    name TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    org  TEXT NOT NULL,
    id   TEXT NOT NULL
) WITHOUT ROWID;

-- What lives beside the records: consumers' positions, idempotency answers, effects.
CREATE TABLE mark (
    space TEXT NOT NULL,
    org   TEXT NOT NULL,
    key   TEXT NOT NULL,
    value BLOB NOT NULL,
    until INTEGER,
    PRIMARY KEY (space, org, key)
);

CREATE INDEX mark_until ON mark (until) WHERE until IS NOT NULL;

-- One row per decision. The writer's lock orders positions: they are without gaps and in the order of commits.
CREATE TABLE log (
    position  INTEGER PRIMARY KEY,
    org       TEXT NOT NULL,
    partition TEXT NOT NULL,
    at        INTEGER NOT NULL,
    body      BLOB NOT NULL
);

CREATE INDEX log_org ON log (org);
CREATE INDEX log_partition ON log (partition);
