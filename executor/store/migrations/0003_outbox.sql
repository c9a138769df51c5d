-- What has to be told to others, and builds that others ordered.

CREATE TABLE outbox (  -- one row for each message; it is sent until its receiver has taken it, or for a day
    number      INTEGER PRIMARY KEY,        -- messages of one build to one address go out in this order
    id          TEXT NOT NULL UNIQUE,       -- the same on every try, so that a receiver knows a repeat
    kind        TEXT NOT NULL,              -- who sends it: reply, task, …
    build_id    TEXT NOT NULL REFERENCES builds (id),
    address     TEXT NOT NULL,
    body        TEXT NOT NULL,              -- JSON
    created_at  REAL NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0, -- counted before each try
    next_at     REAL NOT NULL,
    sent_at     REAL,
    gave_up_at  REAL,
    reason      TEXT                        -- why the last try failed
);
CREATE INDEX outbox_open ON outbox (next_at) WHERE sent_at IS NULL AND gave_up_at IS NULL;
CREATE INDEX outbox_of_build ON outbox (build_id);

CREATE TABLE orders (  -- builds ordered by message or by a task: whom to tell how they ended
    build_id    TEXT PRIMARY KEY REFERENCES builds (id),
    kind        TEXT NOT NULL,              -- reply or task: the kind of the outbox row that tells
    subject     TEXT NOT NULL,              -- the message's trace or the task's id
    address     TEXT NOT NULL,              -- where to, as the outbox takes it
    form        TEXT NOT NULL,              -- JSON: what the answer repeats of the order
    told_at     REAL                        -- finished_at of the end that is in the outbox
) WITHOUT ROWID;
CREATE INDEX orders_of_subject ON orders (kind, subject);
