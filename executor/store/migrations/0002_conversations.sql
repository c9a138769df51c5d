-- Conversations with a model: what was asked and answered, what it cost, and which tools ran.

CREATE TABLE turns (  -- one row for each model call; `asked` without an end is one that a kill cut off
    build_id            TEXT NOT NULL REFERENCES builds (id),
    number              INTEGER NOT NULL,   -- 1, 2, … over all conversations of the build
    conversation        TEXT NOT NULL,
    model               TEXT NOT NULL,
    state               TEXT NOT NULL,      -- asked, answered, failed, lost
    asked_at            REAL NOT NULL,
    ended_at            REAL,
    message_id          TEXT,
    stop_reason         TEXT,
    input_tokens        INTEGER NOT NULL DEFAULT 0,
    output_tokens       INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens   INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens  INTEGER NOT NULL DEFAULT 0,
    usd                 REAL,               -- NULL: not known
    error               TEXT,
    PRIMARY KEY (build_id, number)
) WITHOUT ROWID;

CREATE TABLE messages (  -- the history of each conversation, valid as it stands
    build_id      TEXT NOT NULL REFERENCES builds (id),
    conversation  TEXT NOT NULL,
    position      INTEGER NOT NULL,
    role          TEXT NOT NULL,
    content       TEXT NOT NULL,            -- JSON: blocks, verbatim
    turn          INTEGER,                  -- of an assistant's message
    snapshot      TEXT,                     -- the commit that holds the workspace as this message tells of it
    at            REAL NOT NULL,
    PRIMARY KEY (build_id, conversation, position)
);

CREATE TABLE tool_calls (
    build_id     TEXT NOT NULL REFERENCES builds (id),
    turn         INTEGER NOT NULL,
    position     INTEGER NOT NULL,          -- within the reply
    call_id      TEXT NOT NULL,
    name         TEXT NOT NULL,
    input        TEXT NOT NULL,
    state        TEXT NOT NULL,             -- started, finished
    started_at   REAL NOT NULL,
    finished_at  REAL,
    result       TEXT,                      -- what the model was told
    is_error     INTEGER NOT NULL DEFAULT 0,
    full_output  TEXT,                      -- the whole output where the result holds only its ends
    snapshot     TEXT,
    PRIMARY KEY (build_id, turn, position)
) WITHOUT ROWID;
