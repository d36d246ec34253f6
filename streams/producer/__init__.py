"""The idempotent producer with batches of our own."""
