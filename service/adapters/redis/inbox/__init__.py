"""Inboxes in Redis: entries, pages and the change stream."""
