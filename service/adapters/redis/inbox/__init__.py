"""Inboxes in Redis: entries, pages and the changes stream."""
