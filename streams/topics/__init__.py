"""The topic table, its plan and status, and the AsyncAPI document."""
