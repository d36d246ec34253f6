"""The routes of operators: what happened, what waits, what went wrong, and what is done about it."""
