-- `commit_batch_1` and `look_1` for less: the same checks and the same writes under the same lock. Older programs go on
-- calling those.
--
-- Every array comes as a text, as PostgreSQL writes it, and is read where it is needed: plpgsql would unpack each array on
-- entry, also those of tables that a batch does not touch; and the driver writes a text in one go where it looks at every
-- element of an array. The bodies come as one string of bytes, and a row says where its own begins (from 1) and how long it
-- is. What a batch holds nothing for is passed over: `{}` is an empty table, and flags without a `t` are all false.
--
-- For the rest see 0001 and 0004, where the letters are explained. Here `r_from`, `r_size` are a body's place; a mark
-- without a size is taken away.
CREATE FUNCTION commit_batch_2(
    w_name text, w_batch bigint, w_now bigint,
    f_d text, f_name text, f_epoch text,
    r_d text, r_type text, r_org text, r_id text, r_before text, r_rev text, r_updated_at text, r_state text,
    r_parent text, r_queue text, r_owner text, r_sort text, r_due_at text, r_mark text, r_from text, r_size text,
    c_d text, c_name text, c_taken text, c_type text, c_org text, c_id text,
    m_d text, m_space text, m_org text, m_key text, m_from text, m_size text, m_until text, m_once text,
    l_d text, l_org text, l_partition text, l_at text, l_from text, l_size text, l_direction text,
    x_d text, bodies bytea,
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
    bad int[] := x_d::int[];
    more bigint[];
    grown int := 0;
BEGIN
    -- Each statement below must see what was committed before the lock was given; only this level has it so.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'commit_batch_2 needs the isolation level read committed';
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
    refused := '{}';

    IF f_d <> '{}' THEN
        SELECT array_agg(ARRAY[f.d, 0, f.n, coalesce(o.epoch, 0)]) INTO more
        FROM unnest(f_d::int[], f_name::text[], f_epoch::bigint[]) WITH ORDINALITY AS f (d, name, epoch, n)
        LEFT JOIN lease o ON o.name = f.name
        WHERE o.epoch IS DISTINCT FROM f.epoch;
        refused := refused || more;
    END IF;
    IF r_d <> '{}' THEN
        SELECT array_agg(ARRAY[r.d, 1, r.n, coalesce(o.rev, 0)]) INTO more
        FROM unnest(r_d::int[], r_type::text[], r_org::text[], r_id::text[], r_before::bigint[])
            WITH ORDINALITY AS r (d, type, org, id, before, n)
        LEFT JOIN record o ON o.type = r.type AND o.org = r.org AND o.id = r.id
        WHERE coalesce(o.rev, 0) <> r.before;
        refused := refused || more;
    END IF;
    IF strpos(c_taken, 't') > 0 THEN
        SELECT array_agg(ARRAY[c.d, 2, c.n, 0]) INTO more
        FROM unnest(c_d::int[], c_name::text[], c_taken::boolean[]) WITH ORDINALITY AS c (d, name, taken, n)
        JOIN claim o ON o.name = c.name
        WHERE c.taken AND NOT EXISTS (
            SELECT
            FROM unnest(c_name::text[], c_taken::boolean[], c_type::text[], c_org::text[], c_id::text[])
                AS g (name, taken, type, org, id)
            WHERE NOT g.taken AND g.name = o.name AND g.type = o.type AND g.org = o.org AND g.id = o.id
        );
        refused := refused || more;
    END IF;
    IF strpos(m_once, 't') > 0 THEN
        SELECT array_agg(ARRAY[m.d, 3, m.n, 0]) INTO more
        FROM unnest(m_d::int[], m_space::text[], m_org::text[], m_key::text[], m_once::boolean[])
            WITH ORDINALITY AS m (d, space, org, key, once, n)
        JOIN mark o ON o.space = m.space AND o.org = m.org AND o.key = m.key
        WHERE m.once AND (o.until IS NULL OR o.until > w_now);
        refused := refused || more;
    END IF;
    IF cardinality(refused) > 0 THEN
        SELECT bad || array_agg(b.d::int), array_agg(ARRAY[b.d, b.cause, b.n, b.found]) INTO bad, refused
        FROM (
            SELECT DISTINCT ON (a.d) a.d, a.cause, a.n, a.found
            FROM (
                SELECT refused[i][1] AS d, refused[i][2] AS cause, refused[i][3] AS n, refused[i][4] AS found
                FROM generate_subscripts(refused, 1) AS i
            ) a
            ORDER BY a.d, a.cause, a.n
        ) b;
    END IF;

    IF r_d <> '{}' THEN
        UPDATE record o
        SET rev = r.rev, updated_at = r.updated_at, state = r.state, parent = r.parent, queue = r.queue,
            owner = r.owner, sort = r.sort, due_at = r.due_at, mark = r.mark,
            body = substring(bodies FROM r.start FOR r.size)
        FROM unnest(
            r_d::int[], r_type::text[], r_org::text[], r_id::text[], r_before::bigint[], r_rev::bigint[],
            r_updated_at::bigint[], r_state::text[], r_parent::text[], r_queue::text[], r_owner::text[],
            r_sort::text[], r_due_at::bigint[], r_mark::text[], r_from::int[], r_size::int[]
        ) AS r (
            d, type, org, id, before, rev, updated_at, state, parent, queue, owner, sort, due_at, mark, start, size
        )
        WHERE r.before > 0 AND r.d <> ALL (bad) AND o.type = r.type AND o.org = r.org AND o.id = r.id;

        INSERT INTO record (
            type, org, id, rev, updated_at, state, parent, queue, owner, sort, due_at, mark, body
        )
        SELECT r.type, r.org, r.id, r.rev, r.updated_at, r.state, r.parent, r.queue, r.owner, r.sort, r.due_at,
            r.mark, substring(bodies FROM r.start FOR r.size)
        FROM unnest(
            r_d::int[], r_type::text[], r_org::text[], r_id::text[], r_before::bigint[], r_rev::bigint[],
            r_updated_at::bigint[], r_state::text[], r_parent::text[], r_queue::text[], r_owner::text[],
            r_sort::text[], r_due_at::bigint[], r_mark::text[], r_from::int[], r_size::int[]
        ) AS r (
            d, type, org, id, before, rev, updated_at, state, parent, queue, owner, sort, due_at, mark, start, size
        )
        WHERE r.before = 0 AND r.d <> ALL (bad);
    END IF;

    IF strpos(c_taken, 'f') > 0 THEN
        DELETE FROM claim o
        USING unnest(c_d::int[], c_name::text[], c_taken::boolean[], c_type::text[], c_org::text[], c_id::text[])
            AS c (d, name, taken, type, org, id)
        WHERE NOT c.taken AND c.d <> ALL (bad)
            AND o.name = c.name AND o.type = c.type AND o.org = c.org AND o.id = c.id;
    END IF;
    IF strpos(c_taken, 't') > 0 THEN
        INSERT INTO claim (name, type, org, id)
        SELECT c.name, c.type, c.org, c.id
        FROM unnest(c_d::int[], c_name::text[], c_taken::boolean[], c_type::text[], c_org::text[], c_id::text[])
            AS c (d, name, taken, type, org, id)
        WHERE c.taken AND c.d <> ALL (bad);
    END IF;

    IF m_d <> '{}' THEN
        IF strpos(m_size, 'N') > 0 THEN
            DELETE FROM mark o
            USING unnest(m_d::int[], m_space::text[], m_org::text[], m_key::text[], m_size::int[])
                AS m (d, space, org, key, size)
            WHERE m.size IS NULL AND m.d <> ALL (bad) AND o.space = m.space AND o.org = m.org AND o.key = m.key;
        END IF;

        INSERT INTO mark (space, org, key, value, until)
        SELECT m.space, m.org, m.key, substring(bodies FROM m.start FOR m.size), m.until
        FROM unnest(
            m_d::int[], m_space::text[], m_org::text[], m_key::text[], m_from::int[], m_size::int[], m_until::bigint[]
        ) AS m (d, space, org, key, start, size, until)
        WHERE m.size IS NOT NULL AND m.d <> ALL (bad)
        ON CONFLICT (space, org, key) DO UPDATE SET value = excluded.value, until = excluded.until;
    END IF;

    IF l_d <> '{}' THEN
        INSERT INTO log (position, org, partition, at, body, direction)
        SELECT base + row_number() OVER (ORDER BY l.n), l.org, l.partition, l.at,
            substring(bodies FROM l.start FOR l.size), l.direction
        FROM unnest(
            l_d::int[], l_org::text[], l_partition::text[], l_at::bigint[], l_from::int[], l_size::int[],
            l_direction::text[]
        ) WITH ORDINALITY AS l (d, org, partition, at, start, size, direction, n)
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

-- kind  0 record, 1 name, 2 mark. Whoever asked for a record knows its address: only a name is answered with one.
CREATE FUNCTION look_2(
    l_types text, l_orgs text, l_ids text, l_known text,
    l_names text, l_holders text, l_held text,
    l_spaces text, l_homes text, l_keys text, l_now bigint
)
RETURNS TABLE (kind int, n bigint, type text, org text, id text, rev bigint, body bytea)
LANGUAGE plpgsql
STABLE
ROWS 10
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    IF l_types <> '{}' THEN
        RETURN QUERY
        SELECT 0, a.n, NULL::text, NULL::text, NULL::text, r.rev, CASE WHEN r.rev = a.known THEN NULL ELSE r.body END
        FROM unnest(l_types::text[], l_orgs::text[], l_ids::text[], l_known::bigint[])
            WITH ORDINALITY AS a (type, org, id, known, n)
        JOIN record r ON r.type = a.type AND r.org = a.org AND r.id = a.id;
    END IF;
    IF l_names <> '{}' THEN
        RETURN QUERY
        SELECT 1, a.n, r.type, r.org, r.id, r.rev,
            CASE WHEN r.rev = a.held AND r.id = a.holder THEN NULL ELSE r.body END
        FROM unnest(l_names::text[], l_holders::text[], l_held::bigint[])
            WITH ORDINALITY AS a (name, holder, held, n)
        JOIN claim c ON c.name = a.name
        JOIN record r ON r.type = c.type AND r.org = c.org AND r.id = c.id;
    END IF;
    IF l_spaces <> '{}' THEN
        RETURN QUERY
        SELECT 2, a.n, NULL::text, NULL::text, NULL::text, m.until, m.value
        FROM unnest(l_spaces::text[], l_homes::text[], l_keys::text[]) WITH ORDINALITY AS a (space, org, key, n)
        JOIN mark m ON m.space = a.space AND m.org = a.org AND m.key = a.key
        WHERE m.until IS NULL OR m.until > l_now;
    END IF;
END
$$;
