-- Point look-ups, many at once and all of one moment: records by address, who holds a name, marks.
--
-- A function, since only so can it have a plan that is made once. PostgreSQL takes ten rows for any array whose length
-- it does not know, finds that dear, and plans every call anew instead; that costs three times what the look-up does.
-- Over indexes only, whatever the tables' sizes were when the plan was made.
--
-- kind  0 record, 1 name, 2 mark; `n` counts in the arrays of its kind, from 1. A body of a version that the caller
-- knows (`l_known`; for a name: of the holder that it knows) is not sent. For a mark `rev` is its `until`.
CREATE FUNCTION look_1(
    l_types text[], l_orgs text[], l_ids text[], l_known bigint[],
    l_names text[], l_holders text[], l_held bigint[],
    l_spaces text[], l_homes text[], l_keys text[], l_now bigint
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
    RETURN QUERY
    SELECT 0, a.n, r.type, r.org, r.id, r.rev, CASE WHEN r.rev = a.known THEN NULL ELSE r.body END
    FROM unnest(l_types, l_orgs, l_ids, l_known) WITH ORDINALITY AS a (type, org, id, known, n)
    JOIN record r ON r.type = a.type AND r.org = a.org AND r.id = a.id
    UNION ALL
    SELECT 1, a.n, r.type, r.org, r.id, r.rev, CASE WHEN r.rev = a.held AND r.id = a.holder THEN NULL ELSE r.body END
    FROM unnest(l_names, l_holders, l_held) WITH ORDINALITY AS a (name, holder, held, n)
    JOIN claim c ON c.name = a.name
    JOIN record r ON r.type = c.type AND r.org = c.org AND r.id = c.id
    UNION ALL
    SELECT 2, a.n, ''::text, ''::text, ''::text, m.until, m.value
    FROM unnest(l_spaces, l_homes, l_keys) WITH ORDINALITY AS a (space, org, key, n)
    JOIN mark m ON m.space = a.space AND m.org = a.org AND m.key = a.key
    WHERE m.until IS NULL OR m.until > l_now;
END
$$;
