"""The ledger in Redis: one hash an event."""
