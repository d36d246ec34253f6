"""Inbox deliveries to inbox entries, and marking entries as read."""
