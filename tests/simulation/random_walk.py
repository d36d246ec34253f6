"""A random walk through the simulation: the seed alone decides its steps, so a failure can be repeated."""

import random
from collections.abc import Callable, Sequence

from tests.simulation.invariants import check_settled, check_step, settle
from tests.simulation.process import FaultKind, InjectedFault
from tests.simulation.relay import REPLIES, ScriptedReply
from tests.simulation.simulation import RECIPIENTS, TYPES, EventSpec, Simulation
from tests.simulation.worker import STAGES

KINDS: Sequence[FaultKind] = ("crash", "unavailable", "reply_lost", "stall", "pause")
TIMES_MS = (200, 1_000, 9_000, 31_000, 120_000, 3_600_000)


class InvariantBroken(AssertionError):
    """A broken invariant, with the seed of the walk."""


class RandomWalk:
    """One walk through one simulation, by its seed."""

    types = TYPES
    times_ms = TIMES_MS

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.simulation = simulation = self._new_simulation()
        self._steps: list[tuple[int, Callable[[], None]]] = [
            (4, self._publish),
            (1, lambda: simulation.withdraw(self._spec(), rng.randrange(5))),
            (1, lambda: simulation.publish_invalid(rng.randrange(4))),
            (14, self._work),
            (6, self._commit),
            (2, self._dispatch_due),
            (3, lambda: simulation.resume(self._index())),
            (1, lambda: simulation.crash(self._index())),
            (1, lambda: simulation.pause(self._index())),
            (
                1,
                lambda: simulation.pause_while_sending(
                    self._index(), rng.randrange(14), rng.choice(TIMES_MS)
                ),
            ),
            (2, lambda: simulation.restart(self._index())),
            (2, lambda: simulation.rebalance(rng.choice((0, 0.5, 1)), rng.choice((0.0, 20.0)))),
            (1, lambda: simulation.steal_partitions(self._index(), rng.choice(list(STAGES)))),
            (4, self._script_replies),
            (
                1,
                lambda: simulation.set_preference(
                    self._recipient(), rng.choice(self.types), rng.random() < 0.5
                ),
            ),
            (1, lambda: simulation.change_address(self._recipient(), rng.randrange(9))),
            (1, lambda: simulation.suppress(self._recipient(), rng.random() < 0.4)),
            (1, lambda: simulation.read(self._recipient())),
            (4, lambda: simulation.pass_time(rng.choice(self.times_ms))),
        ]

    def run(self, steps: int) -> None:
        """Take so many steps, then settle. Raise InvariantBroken at the first broken invariant."""
        random.seed(self.seed)  # the batches' own jitter
        weights = [weight for weight, _ in self._steps]
        try:
            for _ in range(steps):
                self.rng.choices(self._steps, weights)[0][1]()
                check_step(self.simulation)
            settle(self.simulation)
            check_step(self.simulation)
            self._check_settled()
        except AssertionError as error:
            raise InvariantBroken(f"seed {self.seed}: {error}") from error
        finally:
            self.simulation.close()

    def _new_simulation(self) -> Simulation:
        return Simulation()

    def _check_settled(self) -> None:
        check_settled(self.simulation)

    def _spec(self) -> EventSpec:
        rng = self.rng
        recipients = tuple(rng.sample(RECIPIENTS, rng.randint(1, 2)))
        return EventSpec(
            rng.choice(TYPES),
            rng.randrange(8),
            recipients,
            rng.randrange(2),
            rng.randrange(3),
            rng.choice((0, 0, 60)),
        )

    def _publish(self) -> None:
        self.simulation.publish(self._spec())

    def _fault(self) -> InjectedFault | None:
        if self.rng.random() < 0.6:
            return None
        return InjectedFault(self.rng.choice(KINDS), self.rng.randrange(10))

    def _work(self) -> None:
        self.simulation.work(self._index(), self.rng.choice(list(STAGES)), self._fault())

    def _commit(self) -> None:
        kind = self.rng.choice(KINDS) if self.rng.random() < 0.2 else None
        self.simulation.commit(self._index(), self.rng.choice(list(STAGES)), kind)

    def _dispatch_due(self) -> None:
        self.simulation.dispatch_due(self._index(), self._fault())

    def _script_replies(self) -> None:
        self.simulation.script_replies(
            *(
                ScriptedReply(self.rng.choice(REPLIES), self.rng.choice((0, 0, 300, 30_000)))
                for _ in range(self.rng.randint(1, 3))
            )
        )

    def _index(self) -> int:
        return self.rng.randrange(2)

    def _recipient(self) -> str:
        return self.rng.choice(RECIPIENTS)
