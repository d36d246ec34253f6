"""Scans of a whole Redis, for operators' commands and metrics and never for stages."""
