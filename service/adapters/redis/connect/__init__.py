"""Connections to Redis: one server, behind sentinels, or a cluster; all of them keep the same rules."""
