"""Lets a test take a dependency away and give it back."""

from service.ports import Unavailable


class Outage:
    """While `reason` is set, every call of the fake raises Unavailable."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def check(self) -> None:
        if self.reason:
            raise Unavailable(self.reason)
