"""Scans of a whole Redis, for operators and never for stages."""
