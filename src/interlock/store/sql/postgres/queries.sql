-- The statements of the PostgreSQL store, each below its name. `:name` is a parameter. As on SQLite but where a comment
-- says otherwise; no index is forced: PostgreSQL knows no such thing, and its statistics choose. A condition that is
-- always true (`type != ''`, `queue != ''`) opens the index that is kept for it.

-- name: look
-- Arrays come as PostgreSQL itself writes them (`texts`, `numbers`).
SELECT kind, n, type, org, id, rev, body
FROM look_2(:types, :orgs, :ids, :known, :names, :holders, :held, :spaces, :homes, :keys, :now)

-- name: commit_batch
SELECT base, refused FROM commit_batch_2(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45
)

-- name: take_lease
SELECT take_lease_1(:name, :holder, :now, :until)

-- name: expire_marks
DELETE FROM mark
WHERE until <= :now
    AND ctid = ANY (ARRAY(SELECT ctid FROM mark WHERE until IS NOT NULL AND until <= :now LIMIT :limit))

-- name: forget_writers
DELETE FROM writer WHERE at < :before

-- name: health
SELECT current_setting('server_version'), pg_database_size(current_database()),
    ARRAY(
        SELECT name || ' = ' || setting FROM pg_settings
        WHERE (name IN ('fsync', 'full_page_writes') AND setting = 'off')
            OR (name = 'synchronous_commit' AND setting = 'off')
        ORDER BY name
    ),
    pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on',
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::int,
    coalesce((
        SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::bigint FROM pg_stat_activity
        WHERE datname = current_database() AND pid != pg_backend_pid() AND backend_type = 'client backend'
    ), 0)

-- name: last_position
SELECT coalesce(max(position), 0) FROM log

-- name: all_marks
SELECT space, org, key, value, until FROM mark
WHERE (space, org, key) > (:space, :org, :key) AND (until IS NULL OR until > :now)
ORDER BY space, org, key LIMIT :limit

-- name: changes
SELECT position, body FROM log WHERE position > :after ORDER BY position LIMIT :limit

-- name: changes_newest
SELECT position, body FROM log WHERE position > :after ORDER BY position DESC LIMIT :limit

-- name: changes_of_org
SELECT position, body FROM log WHERE org = :org AND position > :after ORDER BY position LIMIT :limit

-- name: changes_of_org_newest
SELECT position, body FROM log WHERE org = :org AND position > :after ORDER BY position DESC LIMIT :limit

-- name: changes_of_partition
SELECT position, body FROM log
WHERE partition = :partition AND position > :after AND (:org = '' OR org = :org) ORDER BY position LIMIT :limit

-- name: changes_of_partition_newest
SELECT position, body FROM log
WHERE partition = :partition AND position > :after AND (:org = '' OR org = :org) ORDER BY position DESC LIMIT :limit

-- name: rule_runs
-- Each run of the queue rules with the first row of its conversation; the latest run first.
SELECT position, body, (
    SELECT body FROM log AS begun
    WHERE begun.partition = log.partition AND begun.org = :org ORDER BY begun.position LIMIT 1
)
FROM log
WHERE org = :org AND direction = 'rule' AND at >= :since AND (at, position) < (:at, :position)
ORDER BY at DESC, position DESC LIMIT :limit

-- name: rule_runs_whole
-- Each run of the queue rules with every row of its conversation up to it, itself included; the latest run first.
WITH run AS MATERIALIZED (
    SELECT position, partition, at FROM log
    WHERE org = :org AND direction = 'rule' AND at >= :since AND (at, position) < (:at, :position)
    ORDER BY at DESC, position DESC LIMIT :limit
)
SELECT run.position, entry.position, entry.body
FROM run JOIN log AS entry ON entry.partition = run.partition AND entry.org = :org AND entry.position <= run.position
ORDER BY run.at DESC, run.position DESC, entry.position

-- name: last_rows
-- Many records at once, each a partition of its own: its last rows before a position, the latest first.
SELECT s.n, r.body
FROM unnest(:orgs::text[], :ids::text[], :before::bigint[]) WITH ORDINALITY AS s (org, id, before, n)
CROSS JOIN LATERAL (
    SELECT position, body FROM log
    WHERE log.partition = s.id AND log.position < s.before AND log.org = s.org ORDER BY position DESC LIMIT :most
) AS r
ORDER BY s.n, r.position DESC

-- name: states
-- The states that records of a type are in, found by leaps over the index.
WITH RECURSIVE found (state) AS (
    SELECT min(state) FROM record WHERE type != '' AND type = :type AND org = :org
    UNION ALL
    SELECT (
        SELECT min(r.state) FROM record AS r
        WHERE r.type != '' AND r.type = :type AND r.org = :org AND r.state > found.state
    )
    FROM found WHERE found.state IS NOT NULL
)
SELECT state FROM found WHERE state IS NOT NULL

-- name: is_sorted
-- Whether any record of these states has a text to sort by; where none has, the order by (sort, id) is that by id.
SELECT EXISTS (
    SELECT FROM unnest(:states::text[]) AS s (state)
    WHERE EXISTS (
        SELECT FROM record
        WHERE type != '' AND type = :type AND org = :org AND record.state = s.state AND sort > ''
    )
)

-- name: listing_by_id
SELECT type, org, id, rev, body FROM record
WHERE type = :type AND org = :org ORDER BY id LIMIT :limit OFFSET :offset

-- name: listing_by_id_descending
SELECT type, org, id, rev, body FROM record
WHERE type = :type AND org = :org ORDER BY id DESC LIMIT :limit OFFSET :offset

-- name: listing_of_state
SELECT type, org, id, rev, body FROM record
WHERE type != '' AND type = :type AND org = :org AND state = :state ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: listing_of_state_descending
SELECT type, org, id, rev, body FROM record
WHERE type != '' AND type = :type AND org = :org AND state = :state ORDER BY sort DESC, id DESC
LIMIT :limit OFFSET :offset

-- name: listing_of_states
-- Each state is in order in the index: as many heads of each as can be needed, merged. SQLite merges outside.
SELECT r.type, r.org, r.id, r.rev, r.body
FROM unnest(:states::text[]) AS s (state)
CROSS JOIN LATERAL (
    SELECT type, org, id, rev, body, sort FROM record
    WHERE type != '' AND type = :type AND org = :org AND record.state = s.state ORDER BY sort, id LIMIT :heads
) AS r
ORDER BY r.sort, r.id LIMIT :limit OFFSET :offset

-- name: listing_of_states_descending
SELECT r.type, r.org, r.id, r.rev, r.body
FROM unnest(:states::text[]) AS s (state)
CROSS JOIN LATERAL (
    SELECT type, org, id, rev, body, sort FROM record
    WHERE type != '' AND type = :type AND org = :org AND record.state = s.state ORDER BY sort DESC, id DESC LIMIT :heads
) AS r
ORDER BY r.sort DESC, r.id DESC LIMIT :limit OFFSET :offset

-- name: listing_of_states_by_id
SELECT type, org, id, rev, body FROM record
WHERE type != '' AND type = :type AND org = :org AND state = ANY (:states::text[])
ORDER BY id LIMIT :limit OFFSET :offset

-- name: listing_of_states_by_id_descending
SELECT type, org, id, rev, body FROM record
WHERE type != '' AND type = :type AND org = :org AND state = ANY (:states::text[])
ORDER BY id DESC LIMIT :limit OFFSET :offset

-- name: children
SELECT type, org, id, rev, body FROM record
WHERE org = :org AND parent = :parent AND parent != '' AND type = :type AND (:every::boolean OR state = ANY (:states::text[]))
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: children_descending
SELECT type, org, id, rev, body FROM record
WHERE org = :org AND parent = :parent AND parent != '' AND type = :type AND (:every::boolean OR state = ANY (:states::text[]))
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: children_by_id
SELECT type, org, id, rev, body FROM record
WHERE org = :org AND parent = :parent AND parent != '' AND type = :type AND (:every::boolean OR state = ANY (:states::text[]))
ORDER BY id LIMIT :limit OFFSET :offset

-- name: children_by_id_descending
SELECT type, org, id, rev, body FROM record
WHERE org = :org AND parent = :parent AND parent != '' AND type = :type AND (:every::boolean OR state = ANY (:states::text[]))
ORDER BY id DESC LIMIT :limit OFFSET :offset

-- name: waiting
SELECT type, org, id, rev, body FROM record
WHERE type = 'work_item' AND org = :org AND queue = :queue AND queue != '' AND state = ANY (:states::text[])
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: waiting_descending
SELECT type, org, id, rev, body FROM record
WHERE type = 'work_item' AND org = :org AND queue = :queue AND queue != '' AND state = ANY (:states::text[])
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: left_passes
SELECT type, org, id, rev, body FROM record
WHERE type = 'work_item_revision' AND state = 'left' AND queue != '' AND org = :org AND queue = :queue
    AND sort >= lpad(:since::bigint::text, 15, '0')
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: left_passes_descending
SELECT type, org, id, rev, body FROM record
WHERE type = 'work_item_revision' AND state = 'left' AND queue != '' AND org = :org AND queue = :queue
    AND sort >= lpad(:since::bigint::text, 15, '0')
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: updated
SELECT type, org, id, rev, body FROM record
WHERE type IN ('conversation', 'customer', 'message', 'note') AND type = :type AND org = :org
    AND updated_at >= :since AND updated_at < :until
ORDER BY updated_at, id LIMIT :limit OFFSET :offset

-- name: updated_descending
SELECT type, org, id, rev, body FROM record
WHERE type IN ('conversation', 'customer', 'message', 'note') AND type = :type AND org = :org
    AND updated_at >= :since AND updated_at < :until
ORDER BY updated_at DESC, id DESC LIMIT :limit OFFSET :offset

-- name: of_owner
SELECT type, org, id, rev, body FROM record
WHERE type IN ('work_session', 'reservation') AND owner != '' AND org = :org AND owner = :owner AND type = :type
    AND (:every::boolean OR state = ANY (:states::text[]))
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: of_owner_descending
SELECT type, org, id, rev, body FROM record
WHERE type IN ('work_session', 'reservation') AND owner != '' AND org = :org AND owner = :owner AND type = :type
    AND (:every::boolean OR state = ANY (:states::text[]))
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: messages_of_owner
SELECT type, org, id, rev, body FROM record
WHERE type = 'message' AND owner != '' AND org = :org AND owner = :owner
    AND (:every::boolean OR state = ANY (:states::text[]))
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: messages_of_owner_descending
SELECT type, org, id, rev, body FROM record
WHERE type = 'message' AND owner != '' AND org = :org AND owner = :owner
    AND (:every::boolean OR state = ANY (:states::text[]))
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: open_of_owner
SELECT type, org, id, rev, body FROM record
WHERE type = 'work_item' AND org = :org AND owner = :owner AND owner != '' AND state != 'completed'
ORDER BY id LIMIT :limit OFFSET :offset

-- name: live_sessions
SELECT type, org, id, rev, body FROM record
WHERE type = 'work_session' AND state != 'ended' AND org = :org ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: live_sessions_of_owner
SELECT type, org, id, rev, body FROM record
WHERE type = 'work_session' AND state != 'ended' AND org = :org AND owner = :owner
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: overdue
-- With a lower bound, if only the lowest, few are expected even by a plan that is made before the time is known.
SELECT type, org, id, rev, body FROM record
WHERE type = :type AND due_at >= -9223372036854775807 AND due_at <= :before AND (:org = '' OR org = :org)
ORDER BY due_at, id, org LIMIT :limit OFFSET :offset

-- name: out_of_step
-- First the pairs whose marks differ, from the two indexes alone; only those few are then looked up, each by its key.
-- A full join can only be merged or hashed: as two joins, a database without statistics read through one side for each
-- row of the other. And `(SELECT ...)` hides the type: else any index of that type would do in place of the key.
WITH odd (conversation, item) AS MATERIALIZED (
    SELECT coalesce(c.id, i.parent), i.id
    FROM (
        SELECT id, mark FROM record
        WHERE type = 'conversation' AND state NOT IN ('done', 'deleted') AND org = :org
    ) AS c
    FULL JOIN (
        SELECT id, parent, mark FROM record WHERE type = 'work_item' AND state != 'completed' AND org = :org
    ) AS i ON i.parent = c.id
    WHERE c.mark IS DISTINCT FROM i.mark
)
SELECT DISTINCT c.type, c.org, c.id, c.rev, c.body
FROM odd
CROSS JOIN LATERAL (
    SELECT * FROM record WHERE type = (SELECT 'conversation') AND org = :org AND id = odd.conversation OFFSET 0
) AS c
LEFT JOIN LATERAL (
    SELECT * FROM record WHERE type = (SELECT 'work_item') AND org = :org AND id = odd.item OFFSET 0
) AS i ON true
WHERE c.updated_at <= :before AND coalesce(i.updated_at, 0) <= :before AND c.mark IS DISTINCT FROM i.mark
ORDER BY c.id LIMIT :limit OFFSET :offset

-- name: claimed
SELECT r.type, r.org, r.id, r.rev, r.body
FROM claim AS c JOIN record AS r ON r.type = c.type AND r.org = c.org AND r.id = c.id
WHERE c.name = :claim AND c.type = :type AND (:org = '' OR c.org = :org) LIMIT :limit OFFSET :offset

-- name: orgs
SELECT type, org, id, rev, body FROM record WHERE type = 'org' AND org > :org ORDER BY org, id LIMIT :limit OFFSET :offset
