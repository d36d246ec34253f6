"""The ledger in Redis: rows in small hashes that many events share, and an index by recipient."""
