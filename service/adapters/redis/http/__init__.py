"""State of the HTTP API in Redis: idempotency keys and tickets of streams."""
