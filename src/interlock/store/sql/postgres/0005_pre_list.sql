-- Lists by state, as `record_listing`, but out of reach for whoever looks up one record: in a table that PostgreSQL has no
-- statistics of yet, it takes any index that begins with type and org for as good as the key, and then reads through all
-- records of a type for each that is looked up. Only who asks `type != ''` as well finds this one.
CREATE INDEX record_list ON record (type, org, state, sort, id) WHERE type != '';
