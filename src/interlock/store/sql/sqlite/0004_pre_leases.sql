-- Who holds a lease, and since which change of holders (epoch). Rows stay: an epoch that was given is never given again.
CREATE TABLE lease (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch  INTEGER NOT NULL,
    until  INTEGER NOT NULL
) WITHOUT ROWID;
