-- The statements of the SQLite store, each below its name. Parameters stand in the order in which they are bound.

-- name: load
SELECT rev, body FROM record WHERE type = ? AND org = ? AND id = ?

-- name: insert_record
INSERT OR IGNORE INTO record (rev, updated_at, state, parent, queue, owner, sort, due_at, mark, body, type, org, id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_record
UPDATE record SET rev = ?, updated_at = ?, state = ?, parent = ?, queue = ?, owner = ?, sort = ?, due_at = ?, mark = ?,
    body = ?
WHERE type = ? AND org = ? AND id = ? AND rev = ?

-- name: update_body
-- As update_record where no promoted column moved: no index is touched.
UPDATE record SET rev = ?, updated_at = ?, body = ? WHERE type = ? AND org = ? AND id = ? AND rev = ?

-- name: release_claim
DELETE FROM claim WHERE name = ? AND type = ? AND org = ? AND id = ?

-- name: take_claim
INSERT OR IGNORE INTO claim (name, type, org, id) VALUES (?, ?, ?, ?)

-- name: put_mark
INSERT INTO mark (space, org, key, value, until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (space, org, key) DO UPDATE SET value = excluded.value, until = excluded.until

-- name: put_mark_once
-- Changes nothing if the mark is there and its time (the last parameter is now) has not passed.
INSERT INTO mark (space, org, key, value, until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (space, org, key) DO UPDATE SET value = excluded.value, until = excluded.until WHERE mark.until <= ?

-- name: delete_mark
DELETE FROM mark WHERE space = ? AND org = ? AND key = ?

-- name: expire_marks
DELETE FROM mark WHERE rowid IN (SELECT rowid FROM mark WHERE until IS NOT NULL AND until <= ? LIMIT ?)

-- name: epoch
SELECT epoch FROM lease WHERE name = ?

-- name: take_lease
-- Changes nothing, and so answers nothing, while somebody else holds it.
INSERT INTO lease (name, holder, epoch, until) VALUES (:name, :holder, 1, :until)
ON CONFLICT (name) DO UPDATE
    SET epoch = epoch + (lease.until <= :now), holder = excluded.holder, until = excluded.until
    WHERE lease.holder = excluded.holder OR lease.until <= :now
RETURNING epoch

-- name: give_back_lease
UPDATE lease SET until = :now WHERE name = :name AND holder = :holder AND until > :now RETURNING epoch

-- name: append_log
INSERT INTO log (position, org, partition, at, body, direction) VALUES (?, ?, ?, ?, ?, ?)

-- name: last_position
SELECT coalesce(max(position), 0) FROM log

-- name: mark
SELECT value, until FROM mark WHERE space = ? AND org = ? AND key = ? AND (until IS NULL OR until > ?)

-- name: all_marks
SELECT space, org, key, value, until FROM mark
WHERE (space, org, key) > (?, ?, ?) AND (until IS NULL OR until > ?) ORDER BY space, org, key LIMIT ?

-- name: changes
SELECT position, body FROM log WHERE position > :after ORDER BY position LIMIT :limit

-- name: changes_newest
SELECT position, body FROM log WHERE position > :after ORDER BY position DESC LIMIT :limit

-- name: changes_of_org
SELECT position, body FROM log INDEXED BY log_org
WHERE org = :org AND position > :after ORDER BY position LIMIT :limit

-- name: changes_of_org_newest
SELECT position, body FROM log INDEXED BY log_org
WHERE org = :org AND position > :after ORDER BY position DESC LIMIT :limit

-- name: changes_of_partition
SELECT position, body FROM log INDEXED BY log_partition
WHERE partition = :partition AND position > :after AND (:org = '' OR org = :org) ORDER BY position LIMIT :limit

-- name: changes_of_partition_newest
SELECT position, body FROM log INDEXED BY log_partition
WHERE partition = :partition AND position > :after AND (:org = '' OR org = :org) ORDER BY position DESC LIMIT :limit

-- name: rule_runs
-- Each run of the queue rules with the first row of its conversation; the latest run first.
SELECT position, body, (
    SELECT body FROM log AS begun INDEXED BY log_partition
    WHERE begun.partition = log.partition AND begun.org = :org ORDER BY begun.position LIMIT 1
)
FROM log INDEXED BY log_rule_runs
WHERE org = :org AND direction = 'rule' AND at >= :since AND at <= :at
    AND (at < :at OR position < :position)
ORDER BY at DESC, position DESC LIMIT :limit

-- name: rule_runs_whole
-- Each run of the queue rules with every row of its conversation up to it, itself included; the latest run first.
WITH run AS MATERIALIZED (
    SELECT position, partition, at FROM log INDEXED BY log_rule_runs
    WHERE org = :org AND direction = 'rule' AND at >= :since AND at <= :at
        AND (at < :at OR position < :position)
    ORDER BY at DESC, position DESC LIMIT :limit
)
SELECT run.position, entry.position, entry.body FROM run CROSS JOIN log AS entry INDEXED BY log_partition
WHERE entry.partition = run.partition AND entry.org = :org AND entry.position <= run.position
ORDER BY run.at DESC, run.position DESC, entry.position

-- name: first_rows
-- The rows of one record that is a partition of its own, the oldest first. Read as far as the one that is sought.
SELECT body FROM log INDEXED BY log_partition
WHERE partition = ?1 AND position < ?3 AND org = ?2 ORDER BY position

-- name: last_rows
-- The same, the latest first.
SELECT body FROM log INDEXED BY log_partition
WHERE partition = ?1 AND position < ?3 AND org = ?2 ORDER BY position DESC

-- name: states
-- The states that records of a type are in, found by leaps over the index.
WITH RECURSIVE found (state) AS (
    SELECT min(state) FROM record WHERE type = :type AND org = :org
    UNION ALL
    SELECT (SELECT min(state) FROM record WHERE type = :type AND org = :org AND state > found.state)
    FROM found WHERE found.state IS NOT NULL
)
SELECT state FROM found WHERE state IS NOT NULL

-- name: is_sorted
-- Whether any record of the state has a text to sort by; where none has, the order by (sort, id) is that by id.
SELECT 1 FROM record WHERE type = :type AND org = :org AND state = :state AND sort > '' LIMIT 1

-- name: listing_by_id
SELECT type, org, id, rev, body FROM record INDEXED BY record_address
WHERE type = :type AND org = :org ORDER BY id LIMIT :limit OFFSET :offset

-- name: listing_by_id_descending
SELECT type, org, id, rev, body FROM record INDEXED BY record_address
WHERE type = :type AND org = :org ORDER BY id DESC LIMIT :limit OFFSET :offset

-- name: listing_of_state
SELECT type, org, id, rev, body FROM record INDEXED BY record_listing
WHERE type = :type AND org = :org AND state = :state ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: listing_of_state_descending
SELECT type, org, id, rev, body FROM record INDEXED BY record_listing
WHERE type = :type AND org = :org AND state = :state ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: heads_of_state
-- The first rows of one state, without bodies: several states are merged outside.
SELECT sort, id, key FROM record INDEXED BY record_listing
WHERE type = :type AND org = :org AND state = :state ORDER BY sort, id LIMIT :limit

-- name: heads_of_state_descending
SELECT sort, id, key FROM record INDEXED BY record_listing
WHERE type = :type AND org = :org AND state = :state ORDER BY sort DESC, id DESC LIMIT :limit

-- name: heads_of_state_by_id
SELECT id, id, key FROM record INDEXED BY record_listing
WHERE type = :type AND org = :org AND state = :state ORDER BY id LIMIT :limit

-- name: heads_of_state_by_id_descending
SELECT id, id, key FROM record INDEXED BY record_listing
WHERE type = :type AND org = :org AND state = :state ORDER BY id DESC LIMIT :limit

-- name: by_key
SELECT type, org, id, rev, body FROM record WHERE key = ?

-- name: children
SELECT type, org, id, rev, body FROM record INDEXED BY record_children
WHERE org = :org AND parent = :parent AND parent != '' AND type = :type
    AND (:every OR instr(:states, '|' || state || '|') > 0)
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: children_descending
SELECT type, org, id, rev, body FROM record INDEXED BY record_children
WHERE org = :org AND parent = :parent AND parent != '' AND type = :type
    AND (:every OR instr(:states, '|' || state || '|') > 0)
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: children_by_id
SELECT type, org, id, rev, body FROM record INDEXED BY record_children
WHERE org = :org AND parent = :parent AND parent != '' AND type = :type
    AND (:every OR instr(:states, '|' || state || '|') > 0)
ORDER BY id LIMIT :limit OFFSET :offset

-- name: children_by_id_descending
SELECT type, org, id, rev, body FROM record INDEXED BY record_children
WHERE org = :org AND parent = :parent AND parent != '' AND type = :type
    AND (:every OR instr(:states, '|' || state || '|') > 0)
ORDER BY id DESC LIMIT :limit OFFSET :offset

-- name: waiting
SELECT type, org, id, rev, body FROM record INDEXED BY record_waiting
WHERE type = 'work_item' AND org = :org AND queue = :queue AND queue != '' AND instr(:states, '|' || state || '|') > 0
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: waiting_descending
SELECT type, org, id, rev, body FROM record INDEXED BY record_waiting
WHERE type = 'work_item' AND org = :org AND queue = :queue AND queue != '' AND instr(:states, '|' || state || '|') > 0
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: left_passes
SELECT type, org, id, rev, body FROM record INDEXED BY record_left_pass
WHERE type = 'work_item_revision' AND state = 'left' AND queue != '' AND org = :org AND queue = :queue
    AND sort >= printf('%015d', :since)
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: left_passes_descending
SELECT type, org, id, rev, body FROM record INDEXED BY record_left_pass
WHERE type = 'work_item_revision' AND state = 'left' AND queue != '' AND org = :org AND queue = :queue
    AND sort >= printf('%015d', :since)
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: updated
SELECT type, org, id, rev, body FROM record INDEXED BY record_updated
WHERE type IN ('conversation', 'customer', 'message', 'note') AND type = :type AND org = :org
    AND updated_at >= :since AND updated_at < :until
ORDER BY updated_at, id LIMIT :limit OFFSET :offset

-- name: updated_descending
SELECT type, org, id, rev, body FROM record INDEXED BY record_updated
WHERE type IN ('conversation', 'customer', 'message', 'note') AND type = :type AND org = :org
    AND updated_at >= :since AND updated_at < :until
ORDER BY updated_at DESC, id DESC LIMIT :limit OFFSET :offset

-- name: of_owner
SELECT type, org, id, rev, body FROM record INDEXED BY record_of_owner
WHERE type IN ('work_session', 'reservation') AND owner != '' AND org = :org AND owner = :owner AND type = :type
    AND (:every OR instr(:states, '|' || state || '|') > 0)
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: of_owner_descending
SELECT type, org, id, rev, body FROM record INDEXED BY record_of_owner
WHERE type IN ('work_session', 'reservation') AND owner != '' AND org = :org AND owner = :owner AND type = :type
    AND (:every OR instr(:states, '|' || state || '|') > 0)
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: messages_of_owner
SELECT type, org, id, rev, body FROM record INDEXED BY record_message_of_customer
WHERE type = 'message' AND owner != '' AND org = :org AND owner = :owner
    AND (:every OR instr(:states, '|' || state || '|') > 0)
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: messages_of_owner_descending
SELECT type, org, id, rev, body FROM record INDEXED BY record_message_of_customer
WHERE type = 'message' AND owner != '' AND org = :org AND owner = :owner
    AND (:every OR instr(:states, '|' || state || '|') > 0)
ORDER BY sort DESC, id DESC LIMIT :limit OFFSET :offset

-- name: open_of_owner
SELECT type, org, id, rev, body FROM record INDEXED BY record_owned
WHERE type = 'work_item' AND org = :org AND owner = :owner AND owner != '' AND state != 'completed'
ORDER BY id LIMIT :limit OFFSET :offset

-- name: live_sessions
SELECT type, org, id, rev, body FROM record INDEXED BY record_live_session
WHERE type = 'work_session' AND state != 'ended' AND org = :org ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: live_sessions_of_owner
SELECT type, org, id, rev, body FROM record INDEXED BY record_live_session
WHERE type = 'work_session' AND state != 'ended' AND org = :org AND owner = :owner
ORDER BY sort, id LIMIT :limit OFFSET :offset

-- name: overdue
SELECT type, org, id, rev, body FROM record INDEXED BY record_due
WHERE type = :type AND due_at IS NOT NULL AND due_at <= :before AND (:org = '' OR org = :org)
ORDER BY due_at, id, org LIMIT :limit OFFSET :offset

-- name: out_of_step
-- First the pairs whose marks differ, from the two indexes alone; only those few are then looked at.
WITH odd (conversation, item) AS MATERIALIZED (
    SELECT c.key, i.key
    FROM record AS c INDEXED BY record_live_conversation
    LEFT JOIN record AS i INDEXED BY record_open_item
        ON i.type = 'work_item' AND i.state != 'completed' AND i.org = c.org AND i.parent = c.id
    WHERE c.type = 'conversation' AND c.state NOT IN ('done', 'deleted') AND c.org = :org
        AND (i.key IS NULL OR i.mark != c.mark)
    UNION ALL
    SELECT c.key, i.key
    FROM record AS i INDEXED BY record_open_item
    CROSS JOIN record AS c INDEXED BY record_address
    WHERE i.type = 'work_item' AND i.state != 'completed' AND i.org = :org
        AND NOT EXISTS (
            SELECT 1 FROM record AS l INDEXED BY record_live_conversation
            WHERE l.type = 'conversation' AND l.state NOT IN ('done', 'deleted') AND l.org = i.org AND l.id = i.parent
        )
        AND c.type = 'conversation' AND c.org = i.org AND c.id = i.parent AND c.mark != i.mark
)
SELECT DISTINCT c.type, c.org, c.id, c.rev, c.body
FROM odd CROSS JOIN record AS c ON c.key = odd.conversation LEFT JOIN record AS i ON i.key = odd.item
WHERE c.updated_at <= :before AND coalesce(i.updated_at, 0) <= :before
ORDER BY c.id LIMIT :limit OFFSET :offset

-- name: claimed
SELECT r.type, r.org, r.id, r.rev, r.body
FROM claim AS c CROSS JOIN record AS r INDEXED BY record_address ON r.type = c.type AND r.org = c.org AND r.id = c.id
WHERE c.name = :claim AND c.type = :type AND (:org = '' OR c.org = :org) LIMIT :limit OFFSET :offset

-- name: holder
SELECT r.type, r.org, r.id, r.rev, r.body
FROM claim AS c CROSS JOIN record AS r INDEXED BY record_address ON r.type = c.type AND r.org = c.org AND r.id = c.id
WHERE c.name = ?

-- name: orgs
SELECT type, org, id, rev, body FROM record INDEXED BY record_address
WHERE type = 'org' AND org > :org ORDER BY org, id LIMIT :limit OFFSET :offset
