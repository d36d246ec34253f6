"""A scenario: a fault, the servers that it may harm, and its bound for duplicate messages."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.environment import ChaosEnvironment
    from tests.chaos.servers import ServerFactory

Act = Callable[["ChaosEnvironment"], Awaitable[None]]
VariablesFactory = Callable[[Path], Mapping[str, str]]


class Skipped(Exception):
    """A scenario that this machine cannot run; the text says why."""


@dataclass(frozen=True)
class Scenario:
    """`act` injects the fault; afterwards everything published must arrive.

    `ref` names the kinds of fault as docs/reliability.md does. Without `servers` the scenario shares those of the run.
    `partitions` are those of each topic at first. `points` are the kill points that it passes. A `planted` one has a
    fault in the product, which must be noticed: `planted` names the count of the result that shows it. `variables`
    writes files into a folder, and returns the environment variables with which the product uses them.
    """

    name: str
    ref: str
    act: Act
    mail_bound: int = 0
    servers: "ServerFactory | None" = None
    settle_s: float = 240.0
    partitions: int = 3
    points: frozenset[str] = frozenset()
    planted: str = ""
    variables: VariablesFactory | None = None
