"""The recipient, contact, group, preference and credential tables in Redis."""
