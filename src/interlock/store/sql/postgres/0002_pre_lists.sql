-- Lists that were filtered outside: what was changed since, what belongs to one agent, and who left a queue when.
CREATE INDEX record_updated ON record (type, org, updated_at, id)
    WHERE type IN ('conversation', 'customer', 'message', 'note');
CREATE INDEX record_of_owner ON record (org, owner, type, sort, id)
    WHERE type IN ('work_session', 'reservation') AND owner != '';
CREATE INDEX record_left_pass ON record (org, queue, sort, id)
    WHERE type = 'work_item_revision' AND state = 'left' AND queue != '';
