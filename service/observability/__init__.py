"""Logs and metrics, used by every process."""
