"""State of the HTTP API in Redis: idempotency keys, rate limits of callers, tickets of streams."""
