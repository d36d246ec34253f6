"""Fakes of the ports: plain Python in memory. They pass the same specs as the real adapters."""
