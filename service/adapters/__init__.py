"""The world outside: Redis, SMTP relays, templates."""
