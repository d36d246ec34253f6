"""What `tocsin top` shows at one moment, and the outcomes of the last minute."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.worker import WorkerReport
from service.pipeline.operate.due_hours import DueHours
from service.pipeline.operate.problems import CurrentProblem

FAILURES = frozenset({State.bounced, State.dead, State.expired, State.ambiguous, State.held, State.returned})
_WINDOW_MS = 60_000
_MOST_FAILURES = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """A delivery that failed, or a dead letter if `dead_letter` is its id. Times are milliseconds."""

    at_ms: int
    state: str
    type: str
    recipient: str
    reason: str
    detail: str
    event: str = ""
    channel: str = ""
    dead_letter: str = ""

    @property
    def key(self) -> str:
        """Return what tells it from others."""
        return self.dead_letter or f"{self.event}:{self.recipient}:{self.channel}"

    @classmethod
    def of_outcome(cls, outcome: Outcome) -> "Failure":
        """Return a delivery that failed."""
        detail = " ".join(filter(None, (outcome.relay, outcome.reply))) or outcome.detail
        return cls(
            outcome.at_ms, outcome.state.value, outcome.type, outcome.recipient, outcome.reason.value, detail,
            outcome.event, outcome.channel,
        )  # fmt: skip


@dataclass(slots=True)
class OutcomeWindow:
    """The outcomes of the last minute by state and by type, and the last failures, newest first."""

    failures: deque[Failure] = field(default_factory=lambda: deque(maxlen=_MOST_FAILURES))
    _recent: deque[tuple[int, str, str]] = field(default_factory=deque)
    _states: Counter[str] = field(default_factory=Counter)
    _types: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome, now_ms: int) -> None:
        """Count an outcome as of now, and keep it if it is a failure."""
        self._recent.append((now_ms, outcome.state.value, outcome.type))
        self._states[outcome.state.value] += 1
        self._types[outcome.type] += 1
        if outcome.state in FAILURES:
            self.failures.appendleft(Failure.of_outcome(outcome))

    def forget(self, now_ms: int) -> None:
        """Drop what is older than a minute."""
        while self._recent and self._recent[0][0] < now_ms - _WINDOW_MS:
            _, state, type_name = self._recent.popleft()
            self._states[state] -= 1
            self._types[type_name] -= 1

    @property
    def states(self) -> Mapping[str, int]:
        """Return the outcomes a minute by state."""
        return +self._states

    @property
    def types(self) -> Sequence[tuple[str, int]]:
        """Return the outcomes a minute by type, the most frequent first."""
        return (+self._types).most_common(10)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is shown. `unavailable`: why Redis or Kafka cannot be read, or empty."""

    now_ms: int
    workers: Sequence[WorkerReport] = ()
    problems: Sequence[CurrentProblem] = ()
    due: DueHours | None = None
    states: Mapping[str, int] = field(default_factory=dict)
    types: Sequence[tuple[str, int]] = ()
    failures: Sequence[Failure] = ()
    unavailable: str = ""
