"""A clock that tests set."""


class FakeClock:
    """Implements the Clock port: constant until a test changes it."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.now = now_ms

    def now_ms(self) -> int:
        return self.now

    def boot_s(self) -> float:
        return self.now / 1000

    def advance(self, by_ms: int) -> None:
        self.now += by_ms
