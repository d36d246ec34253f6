"""Fakes of the ports: plain Python in memory. A fake passes the same spec as the real adapter."""
