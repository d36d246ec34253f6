"""Scans of a whole Redis, and notes of a rebuild: for operators' commands and metrics, never for stages."""
