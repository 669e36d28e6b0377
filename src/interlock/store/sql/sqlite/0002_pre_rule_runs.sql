-- What the queue rules decided can be found by time without reading the rest of the log. Only such rows bear a word here.
ALTER TABLE log ADD COLUMN direction TEXT NOT NULL DEFAULT '';

UPDATE log SET direction = 'rule' WHERE json_extract(CAST(body AS TEXT), '$.why.direction') = 'rule';

CREATE INDEX log_rule_runs ON log (org, at) WHERE direction = 'rule';
