"""Logs and metrics of every process: log configuration, log de-duplication, and the one list of metrics."""
