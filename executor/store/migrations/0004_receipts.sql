-- What a channel answered when it took a message: where to find it again, to change it.

ALTER TABLE outbox ADD COLUMN receipt TEXT;  -- JSON
ALTER TABLE outbox ADD COLUMN subject TEXT;  -- the opening of a gate that the message asks about
CREATE INDEX outbox_of_subject ON outbox (subject, address) WHERE subject IS NOT NULL;
