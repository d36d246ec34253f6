"""A random walk through the world: what it does is decided by its seed alone, so a failure can be walked again."""

import random
from collections.abc import Callable, Sequence

from tests.simulation import judge
from tests.simulation.members import STAGES
from tests.simulation.relay import ANSWERS, Answer
from tests.simulation.worker import Kind, Trouble
from tests.simulation.world import PEOPLE, TYPES, Spec, World

KINDS: Sequence[Kind] = ("crash", "away", "lost", "stall")
TIMES_MS = (200, 1_000, 9_000, 31_000, 120_000, 3_600_000)


class Found(AssertionError):
    """A rule was broken. Says by which seed, and after which steps."""


class Walk:
    """`steps` counts what has been done."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.world = World()
        self.done: list[str] = []
        self._steps: list[tuple[int, Callable[[], None]]] = [
            (4, self._publish),
            (1, lambda: self.world.withdraw(self._spec(), self.rng.randrange(5))),
            (1, lambda: self.world.publish_invalid(self.rng.randrange(4))),
            (14, self._work),
            (6, self._commit),
            (2, self._schedule),
            (3, lambda: self.world.resume(self._place())),
            (1, lambda: self.world.crash(self._place())),
            (2, lambda: self.world.restart(self._place())),
            (2, lambda: self.world.rebalance(self.rng.choice((0, 0.5, 1)), self.rng.choice((0.0, 20.0)))),
            (1, lambda: self.world.usurp(self._place(), self.rng.choice(list(STAGES)))),
            (4, self._answers),
            (1, lambda: self.world.prefer(self._person(), self.rng.choice(TYPES), self.rng.random() < 0.5)),
            (1, lambda: self.world.readdress(self._person(), self.rng.randrange(9))),
            (1, lambda: self.world.suppress(self._person(), self.rng.random() < 0.4)),
            (1, lambda: self.world.read(self._person())),
            (4, lambda: self.world.pass_time(self.rng.choice(TIMES_MS))),
        ]

    def run(self, steps: int) -> None:
        """Raises Found at the first broken rule; ends with everything at rest."""
        random.seed(self.seed)  # the batches' own jitter
        weights = [weight for weight, _ in self._steps]
        try:
            for _ in range(steps):
                self.rng.choices(self._steps, weights)[0][1]()
                judge.after_step(self.world)
            judge.settle(self.world)
            judge.after_step(self.world)
            judge.at_rest(self.world)
        except AssertionError as error:
            raise Found(f"seed {self.seed}: {error}") from error
        finally:
            self.world.close()

    def _spec(self) -> Spec:
        rng = self.rng
        people = tuple(rng.sample(PEOPLE, rng.randint(1, 2)))
        return Spec(
            rng.choice(TYPES),
            rng.randrange(8),
            people,
            rng.randrange(2),
            rng.randrange(3),
            rng.choice((0, 0, 60)),
        )

    def _publish(self) -> None:
        self.world.publish(self._spec())

    def _trouble(self) -> Trouble | None:
        if self.rng.random() < 0.6:
            return None
        return Trouble(self.rng.choice(KINDS), self.rng.randrange(10))

    def _work(self) -> None:
        self.world.work(self._place(), self.rng.choice(list(STAGES)), self._trouble())

    def _commit(self) -> None:
        kind = self.rng.choice(KINDS) if self.rng.random() < 0.2 else None
        self.world.commit(self._place(), self.rng.choice(list(STAGES)), kind)

    def _schedule(self) -> None:
        self.world.hand_on_due(self._place(), self._trouble())

    def _answers(self) -> None:
        self.world.answers(
            *(
                Answer(self.rng.choice(ANSWERS), self.rng.choice((0, 0, 300, 30_000)))
                for _ in range(self.rng.randint(1, 3))
            )
        )

    def _place(self) -> int:
        return self.rng.randrange(2)

    def _person(self) -> str:
        return self.rng.choice(PEOPLE)
