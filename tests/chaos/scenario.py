"""What a scenario is: a fault, the servers it may harm, and how often it may double a mail."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.environment import World
    from tests.chaos.servers import Make

Act = Callable[["World"], Awaitable[None]]


class Skipped(Exception):
    """This machine cannot play a scenario; says why."""


@dataclass(frozen=True)
class Scenario:
    """`act` breaks things; afterwards everything published must have arrived.

    The references are those of docs/reliability.md. Without `servers` it shares those of the run. `points` are the kill
    points that it passes. A `planted` one has a fault in our own code, and must be found out.
    """

    name: str
    ref: str
    act: Act
    mail_bound: int = 0
    servers: "Make | None" = None
    settle_s: float = 240.0
    points: frozenset[str] = frozenset()
    planted: bool = False
