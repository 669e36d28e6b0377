-- The messages of a customer, over all conversations.
CREATE INDEX record_message_of_customer ON record (org, owner, sort, id) WHERE type = 'message' AND owner != '';

UPDATE record SET owner = coalesce(convert_from(body, 'UTF8')::jsonb ->> 'customer', '') WHERE type = 'message';
