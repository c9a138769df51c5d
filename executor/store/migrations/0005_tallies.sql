-- Sums that only grow, kept by the database itself in the transaction of what they count: a scrape reads a few
-- rows instead of the whole history, and no restart loses a count. And what a collector of traces has yet to get.

CREATE TABLE tallies (
    what   TEXT NOT NULL,               -- build_submitted, build_entered, release_withdrawn, message_sent, …
    kind   TEXT NOT NULL,               -- the state that a build entered, the message's kind
    label  TEXT NOT NULL,               -- the channel of a notice
    count  INTEGER NOT NULL,
    PRIMARY KEY (what, kind, label)
) WITHOUT ROWID;

CREATE TABLE step_tallies (             -- ended attempts by how long they took; a histogram in cells
    step     INTEGER NOT NULL,
    ended    TEXT NOT NULL,
    cell     INTEGER NOT NULL,          -- number of the bounds 1, 5, 15, 60, 300, 900, 3600 s below the duration
    count    INTEGER NOT NULL,
    seconds  REAL NOT NULL,
    PRIMARY KEY (step, ended, cell)
) WITHOUT ROWID;

CREATE TABLE turn_tallies (             -- ended model calls
    model               TEXT NOT NULL,
    outcome             TEXT NOT NULL,  -- answered, failed, lost
    count               INTEGER NOT NULL,
    seconds             REAL NOT NULL,
    input_tokens        INTEGER NOT NULL,
    output_tokens       INTEGER NOT NULL,
    cache_read_tokens   INTEGER NOT NULL,
    cache_write_tokens  INTEGER NOT NULL,
    usd                 REAL NOT NULL,
    unpriced            INTEGER NOT NULL,  -- calls whose dollars are not known
    PRIMARY KEY (model, outcome)
) WITHOUT ROWID;

CREATE TABLE tracing (                  -- one row while the daemon is configured to send traces
    id  INTEGER PRIMARY KEY CHECK (id = 1)
);

CREATE TABLE trace_queue (              -- what has ended and was not yet taken by the collector of traces
    number    INTEGER PRIMARY KEY,
    build_id  TEXT NOT NULL,
    run       INTEGER,                  -- of step_runs; NULL: the build itself
    outcome   TEXT,                     -- of the build
    at        REAL NOT NULL
);

INSERT INTO tallies SELECT 'build_submitted', '', '', count(*) FROM builds WHERE true HAVING count(*) > 0;
INSERT INTO tallies SELECT 'build_entered', state, '', count(*) FROM builds
    WHERE state IN ('complete', 'failed', 'cancelled', 'rejected', 'rolled_back') GROUP BY state;
INSERT INTO tallies SELECT 'build_entered', iif(event_type = 'input_requested', 'waiting_input', 'waiting_approval'),
    '', count(*) FROM events WHERE event_type IN ('approval_requested', 'input_requested') GROUP BY 2;
INSERT INTO tallies SELECT 'release_withdrawn', '', '', count(*) FROM events
    WHERE event_type = 'release_withdrawn' HAVING count(*) > 0;
INSERT INTO tallies SELECT 'message_sent', kind, iif(kind = 'notify', address, ''), count(*) FROM outbox
    WHERE sent_at IS NOT NULL GROUP BY 2, 3;
INSERT INTO tallies SELECT 'message_given_up', kind, iif(kind = 'notify', address, ''), count(*) FROM outbox
    WHERE gave_up_at IS NOT NULL GROUP BY 2, 3;
INSERT INTO step_tallies SELECT step, ended, (seconds > 1) + (seconds > 5) + (seconds > 15) + (seconds > 60)
    + (seconds > 300) + (seconds > 900) + (seconds > 3600), count(*), sum(seconds) FROM step_runs GROUP BY 1, 2, 3;
INSERT INTO turn_tallies SELECT model, state, count(*),
    sum(iif(state = 'lost', 0, max(0, coalesce(ended_at - asked_at, 0)))), sum(input_tokens),
    sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(coalesce(usd, 0)), sum(usd IS NULL)
    FROM turns WHERE state <> 'asked' GROUP BY model, state;

CREATE TRIGGER builds_submitted AFTER INSERT ON builds BEGIN
    INSERT INTO tallies VALUES ('build_submitted', '', '', 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;

-- A release that was to be taken back and is kept: its build was complete before.
CREATE TRIGGER builds_moved AFTER UPDATE OF state ON builds
WHEN NEW.state <> OLD.state AND NOT (OLD.state = 'withdrawing' AND NEW.state = 'complete') BEGIN
    INSERT INTO tallies VALUES ('build_entered', NEW.state, '', 1) ON CONFLICT DO UPDATE SET count = count + 1;
    INSERT INTO tallies SELECT 'release_withdrawn', '', '', 1 WHERE OLD.state = 'withdrawing'
        ON CONFLICT DO UPDATE SET count = count + 1;
    INSERT INTO trace_queue (build_id, outcome, at) SELECT NEW.id, NEW.state, NEW.finished_at FROM tracing
        WHERE NEW.finished_at IS NOT NULL;
END;

CREATE TRIGGER messages_sent AFTER UPDATE OF sent_at ON outbox WHEN OLD.sent_at IS NULL BEGIN
    INSERT INTO tallies VALUES ('message_sent', NEW.kind, iif(NEW.kind = 'notify', NEW.address, ''), 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER messages_given_up AFTER UPDATE OF gave_up_at ON outbox WHEN OLD.gave_up_at IS NULL BEGIN
    INSERT INTO tallies VALUES ('message_given_up', NEW.kind, iif(NEW.kind = 'notify', NEW.address, ''), 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER messages_failed AFTER UPDATE OF reason ON outbox WHEN NEW.reason IS NOT NULL BEGIN
    INSERT INTO tallies VALUES ('message_failed', NEW.kind, iif(NEW.kind = 'notify', NEW.address, ''), 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER steps_ended AFTER INSERT ON step_runs BEGIN
    INSERT INTO step_tallies VALUES (NEW.step, NEW.ended, (NEW.seconds > 1) + (NEW.seconds > 5)
        + (NEW.seconds > 15) + (NEW.seconds > 60) + (NEW.seconds > 300) + (NEW.seconds > 900)
        + (NEW.seconds > 3600), 1, NEW.seconds)
        ON CONFLICT DO UPDATE SET count = count + 1, seconds = seconds + excluded.seconds;
    INSERT INTO trace_queue (build_id, run, at) SELECT NEW.build_id, NEW.id, NEW.at FROM tracing;
END;

CREATE TRIGGER turns_ended AFTER UPDATE OF state ON turns WHEN OLD.state = 'asked' AND NEW.state <> 'asked' BEGIN
    INSERT INTO turn_tallies VALUES (NEW.model, NEW.state, 1,
        iif(NEW.state = 'lost', 0, max(0, NEW.ended_at - NEW.asked_at)), NEW.input_tokens, NEW.output_tokens,
        NEW.cache_read_tokens, NEW.cache_write_tokens, coalesce(NEW.usd, 0), NEW.usd IS NULL)
        ON CONFLICT DO UPDATE SET count = count + 1, seconds = seconds + excluded.seconds,
        input_tokens = input_tokens + excluded.input_tokens,
        output_tokens = output_tokens + excluded.output_tokens,
        cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
        usd = usd + excluded.usd, unpriced = unpriced + excluded.unpriced;
END;
