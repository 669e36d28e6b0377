-- Lists that were filtered outside: what was changed since, what belongs to one agent, and who left a queue when.
CREATE INDEX record_updated ON record (type, org, updated_at, id)
    WHERE type IN ('conversation', 'customer', 'message', 'note');
CREATE INDEX record_of_owner ON record (org, owner, type, sort, id)
    WHERE type IN ('work_session', 'reservation') AND owner != '';
CREATE INDEX record_left_pass ON record (org, queue, sort, id)
    WHERE type = 'work_item_revision' AND state = 'left' AND queue != '';

-- A queue pass is ordered by when it was left or entered, then by its number; before, by its number alone.
UPDATE record SET sort = printf('%015d%06d',
    coalesce(json_extract(CAST(body AS TEXT), '$.leftAt'), json_extract(CAST(body AS TEXT), '$.enteredQueueAt'), 0),
    coalesce(json_extract(CAST(body AS TEXT), '$.number'), 1))
WHERE type = 'work_item_revision';
