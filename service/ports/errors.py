"""The error of every port whose dependency cannot be reached."""


class Unavailable(Exception):
    """A dependency is unavailable; nothing is wrong with the records. `reason` is one line for the readiness check."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
