"""An outage that a test switches on and off."""

from service.ports import Unavailable


class Outage:
    """While `reason` is set, every call of the fake raises Unavailable."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def check(self) -> None:
        if self.reason:
            raise Unavailable(self.reason)
