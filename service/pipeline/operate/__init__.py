"""Operator tools: explain, what-if, audit, replay, redrive, privacy, rebuild."""
