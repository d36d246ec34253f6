"""Fault injection for the chaos tests; nothing of it is active in production."""
