"""The world outside: Redis, SMTP relays, templates, the catalogue's files, DKIM, traces."""
