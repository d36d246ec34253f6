"""What may go wrong with the world, and the time in it."""


class Unavailable(Exception):
    """A dependency is away; nothing is wrong with the records. `reason` is one line for readiness."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
