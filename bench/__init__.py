"""Benchmarks of Tocsin beside its peers; the results are in RESULTS.md."""
