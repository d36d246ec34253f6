"""Tocsin: domain events in, mail and inbox entries out, and a ledger that says why."""
