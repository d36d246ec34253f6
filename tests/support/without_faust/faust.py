"""Stands in the way of faust, for a worker that must not need it."""

raise ImportError("faust is blocked")
