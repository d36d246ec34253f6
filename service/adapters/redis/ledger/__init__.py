"""The ledger in Redis: one hash an event, 256 for a sharded event, and indexes by recipient and by event id."""
