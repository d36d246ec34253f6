"""Stands in the way of mode, for a worker that must not need it."""

raise ImportError("mode is blocked")
