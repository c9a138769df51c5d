-- Builds, their history, what they made, and what they did to the outside world.

CREATE TABLE builds (
    id               TEXT PRIMARY KEY,
    version          INTEGER NOT NULL,
    state            TEXT NOT NULL,
    step             INTEGER NOT NULL,
    attempt          INTEGER NOT NULL,
    intent           TEXT NOT NULL,
    droplet_id       INTEGER NOT NULL,
    droplet_name     TEXT NOT NULL,
    approval_mode    TEXT NOT NULL,
    auto_approve     INTEGER NOT NULL,
    chosen_id        INTEGER NOT NULL,  -- 1: the executor chose droplet_id, so step 1 may move it
    notify_channels  TEXT NOT NULL,     -- JSON array of names
    budget_usd       REAL,
    target           TEXT NOT NULL,
    request_id       TEXT NOT NULL,
    created_at       REAL NOT NULL,     -- this and every other time: seconds since the epoch, UTC
    updated_at       REAL NOT NULL,
    step_started_at  REAL,
    finished_at      REAL,
    working_seconds  REAL NOT NULL,
    last_seq         INTEGER NOT NULL,
    retries          INTEGER NOT NULL,
    repairs          INTEGER NOT NULL,
    retrying_since   REAL,
    wake_at          REAL,
    hold             TEXT,              -- JSON: the open gate or the open questions
    review           TEXT,              -- JSON
    error            TEXT,              -- JSON
    withdraw_to      TEXT,
    completed        TEXT NOT NULL,     -- JSON array of [step, seconds]
    warnings         TEXT NOT NULL,     -- JSON array of sentences
    facts            TEXT NOT NULL      -- JSON: what the steps learned
);
CREATE INDEX builds_newest ON builds (created_at DESC, id DESC);
CREATE INDEX builds_of_droplet ON builds (droplet_id, created_at DESC);
CREATE INDEX builds_in_state ON builds (state, created_at DESC, id DESC);
CREATE INDEX builds_unfinished ON builds (created_at, id)
    WHERE state IN ('queued', 'in_progress', 'waiting_approval', 'waiting_input', 'waiting_retry', 'withdrawing');

CREATE TABLE events (
    build_id    TEXT NOT NULL REFERENCES builds (id),
    seq         INTEGER NOT NULL,
    event_type  TEXT NOT NULL,
    step        INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    percent     INTEGER NOT NULL,
    message     TEXT NOT NULL,
    at          REAL NOT NULL,
    data        TEXT NOT NULL,
    PRIMARY KEY (build_id, seq)
) WITHOUT ROWID;

CREATE TABLE step_runs (  -- one row for each completed attempt: the history that estimates are made of
    id        INTEGER PRIMARY KEY,
    build_id  TEXT NOT NULL REFERENCES builds (id),
    step      INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    ended     TEXT NOT NULL,
    at        REAL NOT NULL,
    seconds   REAL NOT NULL
);
CREATE INDEX step_runs_of_build ON step_runs (build_id);
CREATE INDEX step_runs_history ON step_runs (step, id DESC) WHERE ended = 'done';

CREATE TABLE artifacts (
    build_id  TEXT NOT NULL REFERENCES builds (id),
    kind      TEXT NOT NULL,
    version   INTEGER NOT NULL,
    body      TEXT NOT NULL,
    meta      TEXT NOT NULL,
    at        REAL NOT NULL,
    PRIMARY KEY (build_id, kind, version)
);

CREATE TABLE log_lines (
    build_id  TEXT NOT NULL REFERENCES builds (id),
    line      INTEGER NOT NULL,
    step      INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    level     TEXT NOT NULL,
    text      TEXT NOT NULL,
    at        REAL NOT NULL,
    PRIMARY KEY (build_id, line)
) WITHOUT ROWID;

CREATE TABLE effects (
    key       TEXT PRIMARY KEY,
    build_id  TEXT NOT NULL REFERENCES builds (id),
    step      INTEGER NOT NULL,
    begun_at  REAL NOT NULL,
    done_at   REAL,
    result    TEXT
) WITHOUT ROWID;
CREATE INDEX effects_of_build ON effects (build_id);

CREATE TABLE decisions (  -- what people decided at gates, and what they and repairs said
    id          INTEGER PRIMARY KEY,
    build_id    TEXT NOT NULL REFERENCES builds (id),
    gate_id     TEXT NOT NULL,
    checkpoint  TEXT NOT NULL,
    decision    TEXT NOT NULL,
    feedback    TEXT NOT NULL,
    at          REAL NOT NULL
);
CREATE INDEX decisions_of_build ON decisions (build_id);

CREATE TABLE idempotency_keys (
    key       TEXT PRIMARY KEY,
    digest    TEXT NOT NULL,
    build_id  TEXT NOT NULL,
    reply     TEXT NOT NULL,
    at        REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE droplets (  -- the built-in registry: what is live, and where
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    release_id  TEXT,
    url         TEXT,
    updated_at  REAL NOT NULL
);

CREATE TABLE releases (
    id           TEXT PRIMARY KEY,
    droplet_id   INTEGER NOT NULL,
    build_id     TEXT NOT NULL REFERENCES builds (id),
    version      TEXT NOT NULL,
    commit_hash  TEXT NOT NULL,
    target       TEXT NOT NULL,
    url          TEXT NOT NULL,
    handle       TEXT NOT NULL,
    state        TEXT NOT NULL,  -- live, superseded, withdrawn
    created_at   REAL NOT NULL,
    updated_at   REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX releases_of_droplet ON releases (droplet_id, created_at DESC);

CREATE TABLE heartbeat (  -- the watchdog's proof that the database takes writes
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    at  REAL NOT NULL
);
