"""Counters, traces, scrapes and the probe of a worker."""
