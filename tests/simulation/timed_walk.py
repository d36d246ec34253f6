"""A random walk through the simulation with time: the seed alone decides the clock change and the steps."""

import random
from collections.abc import Callable

from service.model.holds.calendar import Frequency
from tests.simulation.random_walk import TIMES_MS, RandomWalk
from tests.simulation.simulation import RECIPIENTS, Simulation
from tests.simulation.time_invariants import check_timed_settled, tick
from tests.simulation.timed_simulation import (
    QUIET_HOURS,
    STARTS,
    TYPES,
    ZONES,
    TimedSimulation,
    TimedSpec,
)

DELIVER_S = (0, 0, 0, 900, 7200, 6 * 86_400)
DIGESTED = ("bids", "offers", "capped")


class TimedWalk(RandomWalk):
    """One walk through one simulation, by its seed."""

    types = tuple(TYPES)
    times_ms = (*TIMES_MS, 1_800_000, 6 * 3_600_000)

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        timed, rng = self._timed, self.rng
        steps: list[tuple[int, Callable[[], None]]] = [
            (2, lambda: tick(timed)),
            (1, lambda: timed.move(self._recipient(), rng.choice(ZONES))),
            (1, lambda: timed.set_quiet_hours(self._recipient(), rng.choice(QUIET_HOURS))),
            (
                2,
                lambda: timed.set_frequency(
                    self._recipient(), rng.choice(DIGESTED), rng.choice(list(Frequency))
                ),
            ),
        ]
        self._steps += steps

    def _new_simulation(self) -> Simulation:
        self._timed = TimedSimulation(random.Random(self.seed).randrange(len(STARTS)))
        return self._timed

    def _check_settled(self) -> None:
        check_timed_settled(self._timed)

    def _spec(self) -> TimedSpec:
        rng = self.rng
        return TimedSpec(
            rng.choice(self.types),
            rng.randrange(12),
            tuple(rng.sample(RECIPIENTS, rng.randint(1, 2))),
            rng.randrange(2),
            rng.randrange(3),
            rng.choice((0, 0, 0, 5_400)),
            rng.choice(DELIVER_S),
        )
