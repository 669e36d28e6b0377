-- The same tables as on SQLite. What differs, and why:
-- COLLATE "C": texts are ordered by code point, as everywhere else in Interlock, whatever the database's own order is.
-- bytea bodies: a record is read back byte for byte; jsonb would reorder its fields and round its numbers.
-- fillfactor: a write that moves no promoted column finds room in its own page and touches no index (HOT).
-- The address is the primary key: PostgreSQL has no rowid, and lists join by it.
CREATE TABLE record (
    type       text COLLATE "C" NOT NULL,
    org        text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    rev        bigint NOT NULL,
    updated_at bigint NOT NULL,
    state      text COLLATE "C" NOT NULL,
    parent     text COLLATE "C" NOT NULL,
    queue      text COLLATE "C" NOT NULL,
    owner      text COLLATE "C" NOT NULL,
    sort       text COLLATE "C" NOT NULL,
    due_at     bigint,
    mark       text COLLATE "C" NOT NULL,
    body       bytea NOT NULL,
    CONSTRAINT record_address PRIMARY KEY (type, org, id)
) WITH (fillfactor = 75);

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
    name text COLLATE "C" PRIMARY KEY,
    type text COLLATE "C" NOT NULL,
    org  text COLLATE "C" NOT NULL,
    id   text COLLATE "C" NOT NULL
);

-- What lives beside the records: consumers' positions, idempotency answers, effects.
CREATE TABLE mark (
    space text COLLATE "C" NOT NULL,
    org   text COLLATE "C" NOT NULL,
    key   text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    until bigint,
    PRIMARY KEY (space, org, key)
) WITH (fillfactor = 75);

CREATE INDEX mark_until ON mark (until) WHERE until IS NOT NULL;

-- One row per decision. Positions are given under the lock of `commit_batch_1`, never by a sequence: a sequence is drawn
-- before the commit, and whoever asks for "everything after N" would be led past a row that commits late.
CREATE TABLE log (
    position  bigint PRIMARY KEY,
    org       text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    at        bigint NOT NULL,
    body      bytea NOT NULL,
    direction text COLLATE "C" NOT NULL
);

-- What the queue rules decided can be found by time without the rest of the log. Only such rows have a direction here.
CREATE INDEX log_rule_runs ON log (org, at, position) WHERE direction = 'rule';
CREATE INDEX log_org ON log (org, position);
CREATE INDEX log_partition ON log (partition, position);

-- Who holds a lease, and since which change of holders (epoch). Rows stay: an epoch that was given is never given again.
CREATE TABLE lease (
    name   text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    epoch  bigint NOT NULL,
    until  bigint NOT NULL
);

-- The last batch of each writer (a process's handle) and what came of it. Not on SQLite, which has no network: when a
-- connection breaks while a batch is under way, the writer hands in the same batch again and gets the same answer.
CREATE TABLE writer (
    name    text COLLATE "C" PRIMARY KEY,
    batch   bigint NOT NULL,
    at      bigint NOT NULL,
    base    bigint NOT NULL,
    refused bigint[] NOT NULL
) WITH (fillfactor = 50);

-- Commits one batch: every decision of it all or nothing, and one refusal does not touch its neighbours.
--
-- One call is one transaction and one round trip. So the lock that orders positions is held while PostgreSQL works, and
-- never while a client is slow, paused or dead. The lock is the transaction's: it survives no error and passes PgBouncer.
-- The caller sees to it that no two decisions of a batch touch the same record, name or mark; each of the arrays that
-- begin with the same letter is one table, and `_d` says to which decision a row belongs.
--
-- f fences: the lease must be at this epoch               r records: `before` is the rev that is expected, 0 for none
-- c claims: given back (taken false) and taken            m marks: `once` refuses one that is there; without value: gone
-- l log rows, in order                                    x decisions that are checked and not applied
--
-- Answers with `base`, the position before the batch's first row, and with four numbers for each refusal: its decision,
-- the cause (0 fence, 1 rev, 2 name, 3 mark), the place in the cause's array from 1, and the rev or epoch that was found.
CREATE FUNCTION commit_batch_1(
    w_name text, w_batch bigint, w_now bigint,
    f_d int[], f_name text[], f_epoch bigint[],
    r_d int[], r_type text[], r_org text[], r_id text[], r_before bigint[], r_rev bigint[], r_updated_at bigint[],
    r_state text[], r_parent text[], r_queue text[], r_owner text[], r_sort text[], r_due_at bigint[], r_mark text[],
    r_body bytea[],
    c_d int[], c_name text[], c_taken boolean[], c_type text[], c_org text[], c_id text[],
    m_d int[], m_space text[], m_org text[], m_key text[], m_value bytea[], m_until bigint[], m_once boolean[],
    l_d int[], l_org text[], l_partition text[], l_at bigint[], l_body bytea[], l_direction text[],
    x_d int[],
    OUT base bigint, OUT refused bigint[]
)
LANGUAGE plpgsql
-- One plan for every batch, over indexes: planned while a table is small it would else scan it for ever after.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    known writer%ROWTYPE;
    bad int[];
    grown int := 0;
BEGIN
    -- Each statement below must see what was committed before the lock was given; only this level has it so.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'commit_batch_1 needs the isolation level read committed';
    END IF;
    IF current_setting('synchronous_commit') = 'off' AND current_setting('fsync') = 'on' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    PERFORM pg_advisory_xact_lock(1229736753, 'log'::regclass::oid::int);

    SELECT * INTO known FROM writer w WHERE w.name = w_name;
    IF known.batch >= w_batch THEN
        IF known.batch > w_batch THEN
            RAISE EXCEPTION 'batch % of writer % comes after batch %', w_batch, w_name, known.batch;
        END IF;
        base := known.base;
        refused := known.refused;
        RETURN;
    END IF;

    SELECT coalesce(max(position), 0) INTO base FROM log;

    SELECT coalesce(array_agg(b.d), '{}'),
           coalesce(array_agg(ARRAY[b.d, b.cause, b.n, b.found]), '{}')
    INTO bad, refused
    FROM (
        SELECT DISTINCT ON (a.d) a.d, a.cause, a.n, a.found
        FROM (
            SELECT f.d, 0 AS cause, f.n, coalesce(o.epoch, 0) AS found
            FROM unnest(f_d, f_name, f_epoch) WITH ORDINALITY AS f (d, name, epoch, n)
            LEFT JOIN lease o ON o.name = f.name
            WHERE o.epoch IS DISTINCT FROM f.epoch
            UNION ALL
            SELECT r.d, 1, r.n, coalesce(o.rev, 0)
            FROM unnest(r_d, r_type, r_org, r_id, r_before) WITH ORDINALITY AS r (d, type, org, id, before, n)
            LEFT JOIN record o ON o.type = r.type AND o.org = r.org AND o.id = r.id
            WHERE coalesce(o.rev, 0) <> r.before
            UNION ALL
            SELECT c.d, 2, c.n, 0
            FROM unnest(c_d, c_name, c_taken) WITH ORDINALITY AS c (d, name, taken, n)
            JOIN claim o ON o.name = c.name
            WHERE c.taken AND NOT EXISTS (
                SELECT FROM unnest(c_name, c_taken, c_type, c_org, c_id) AS g (name, taken, type, org, id)
                WHERE NOT g.taken AND g.name = o.name AND g.type = o.type AND g.org = o.org AND g.id = o.id
            )
            UNION ALL
            SELECT m.d, 3, m.n, 0
            FROM unnest(m_d, m_space, m_org, m_key, m_once) WITH ORDINALITY AS m (d, space, org, key, once, n)
            JOIN mark o ON o.space = m.space AND o.org = m.org AND o.key = m.key
            WHERE m.once AND (o.until IS NULL OR o.until > w_now)
        ) a
        ORDER BY a.d, a.cause, a.n
    ) b;
    bad := bad || x_d;

    IF cardinality(r_d) > 0 THEN
        UPDATE record o
        SET rev = r.rev, updated_at = r.updated_at, state = r.state, parent = r.parent, queue = r.queue,
            owner = r.owner, sort = r.sort, due_at = r.due_at, mark = r.mark, body = r.body
        FROM unnest(
            r_d, r_type, r_org, r_id, r_before, r_rev, r_updated_at, r_state, r_parent, r_queue, r_owner, r_sort,
            r_due_at, r_mark, r_body
        ) AS r (d, type, org, id, before, rev, updated_at, state, parent, queue, owner, sort, due_at, mark, body)
        WHERE r.before > 0 AND r.d <> ALL (bad) AND o.type = r.type AND o.org = r.org AND o.id = r.id;

        INSERT INTO record (
            type, org, id, rev, updated_at, state, parent, queue, owner, sort, due_at, mark, body
        )
        SELECT r.type, r.org, r.id, r.rev, r.updated_at, r.state, r.parent, r.queue, r.owner, r.sort, r.due_at,
            r.mark, r.body
        FROM unnest(
            r_d, r_type, r_org, r_id, r_before, r_rev, r_updated_at, r_state, r_parent, r_queue, r_owner, r_sort,
            r_due_at, r_mark, r_body
        ) AS r (d, type, org, id, before, rev, updated_at, state, parent, queue, owner, sort, due_at, mark, body)
        WHERE r.before = 0 AND r.d <> ALL (bad);
    END IF;

    IF cardinality(c_d) > 0 THEN
        DELETE FROM claim o
        USING unnest(c_d, c_name, c_taken, c_type, c_org, c_id) AS c (d, name, taken, type, org, id)
        WHERE NOT c.taken AND c.d <> ALL (bad)
            AND o.name = c.name AND o.type = c.type AND o.org = c.org AND o.id = c.id;

        INSERT INTO claim (name, type, org, id)
        SELECT c.name, c.type, c.org, c.id
        FROM unnest(c_d, c_name, c_taken, c_type, c_org, c_id) AS c (d, name, taken, type, org, id)
        WHERE c.taken AND c.d <> ALL (bad);
    END IF;

    IF cardinality(m_d) > 0 THEN
        DELETE FROM mark o
        USING unnest(m_d, m_space, m_org, m_key, m_value) AS m (d, space, org, key, value)
        WHERE m.value IS NULL AND m.d <> ALL (bad) AND o.space = m.space AND o.org = m.org AND o.key = m.key;

        INSERT INTO mark (space, org, key, value, until)
        SELECT m.space, m.org, m.key, m.value, m.until
        FROM unnest(m_d, m_space, m_org, m_key, m_value, m_until) AS m (d, space, org, key, value, until)
        WHERE m.value IS NOT NULL AND m.d <> ALL (bad)
        ON CONFLICT (space, org, key) DO UPDATE SET value = excluded.value, until = excluded.until;
    END IF;

    IF cardinality(l_d) > 0 THEN
        INSERT INTO log (position, org, partition, at, body, direction)
        SELECT base + row_number() OVER (ORDER BY l.n), l.org, l.partition, l.at, l.body, l.direction
        FROM unnest(l_d, l_org, l_partition, l_at, l_body, l_direction)
            WITH ORDINALITY AS l (d, org, partition, at, body, direction, n)
        WHERE l.d <> ALL (bad);
        GET DIAGNOSTICS grown = ROW_COUNT;
    END IF;

    INSERT INTO writer (name, batch, at, base, refused) VALUES (w_name, w_batch, w_now, base, refused)
    ON CONFLICT (name) DO UPDATE
        SET batch = excluded.batch, at = excluded.at, base = excluded.base, refused = excluded.refused;

    IF grown > 0 THEN
        PERFORM pg_notify('interlock_log', concat(w_name, ' ', base + grown));
    END IF;
END
$$;

-- Takes a lease, keeps it, or (`l_until` = `l_now`) gives it back, and answers with its epoch; NULL while somebody else
-- holds it. Under the lock of the batches: what was fenced with the epoch before is committed by then, or never will be.
CREATE FUNCTION take_lease_1(l_name text, l_holder text, l_now bigint, l_until bigint) RETURNS bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    given bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1229736753, 'log'::regclass::oid::int);
    IF l_until > l_now THEN
        INSERT INTO lease AS l (name, holder, epoch, until) VALUES (l_name, l_holder, 1, l_until)
        ON CONFLICT (name) DO UPDATE
            SET epoch = l.epoch + (l.until <= l_now)::int, holder = excluded.holder, until = excluded.until
            WHERE l.holder = excluded.holder OR l.until <= l_now
        RETURNING l.epoch INTO given;
    ELSE
        UPDATE lease l SET until = l_now WHERE l.name = l_name AND l.holder = l_holder AND l.until > l_now
        RETURNING l.epoch INTO given;
    END IF;
    RETURN given;
END
$$;
