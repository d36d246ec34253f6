"""Whether a relay may be used: its circuit breaker, its rests, and the faults that only an operator can mend."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic

from service.adapters.smtp.relay import Cooldowns
from service.model.reasons import Reason, ResultReason


class RelayState(StrEnum):
    """`trial`: its rest is over, and one mail at a time shows whether it is well again."""

    ok = "ok"
    trial = "trial"
    resting = "resting"
    breaker_open = "breaker_open"
    misconfigured = "misconfigured"


@dataclass(frozen=True, slots=True)
class RelayHealth:
    """One relay, as readiness and metrics show it. `rests_for_s`: seconds until it is tried again, 0.0 now."""

    relay: str
    state: RelayState
    reason: ResultReason | None
    detail: str
    rests_for_s: float
    connections: int
    in_flight: int
    waiting: int


class RelayHealthTracker:
    """The state of one relay. `failures` counts dialogues in a row that broke off; `strikes` rests in a row.

    `suspicious`: the first mails since the last accepted one that were refused as if we had no right to send.
    """

    def __init__(self, rests: Cooldowns, now: Callable[[], float] = monotonic) -> None:
        self.state = RelayState.ok
        self.usable = True
        self.reason: ResultReason | None = None
        self.detail = ""
        self.until = 0.0
        self._rests = rests
        self._now = now
        self._failures = 0
        self._strikes = 0
        self._suspicious: set[str] = set()
        self.pristine = True

    def worked(self) -> None:
        """A mail was accepted. Call only when not `pristine`: this is on the way of every mail."""
        self.pristine = True
        self.state, self.usable, self.reason, self.detail = RelayState.ok, True, None, ""
        self._failures = self._strikes = 0
        self._suspicious.clear()

    def answered(self) -> None:
        """A dialogue came to its end, whatever the relay said: it is there."""
        self._failures = 0
        if self.state is RelayState.trial and self.reason not in _PROVEN_BY_ACCEPTANCE:
            self.worked()

    def broke(self, detail: str) -> bool:
        """A dialogue broke off. True when that opens the breaker."""
        self.pristine = False
        self._failures += 1
        if self.state is not RelayState.trial and self._failures < self._rests.failures:
            return False
        self.rest(RelayState.breaker_open, Reason.relay_unavailable, detail, self._rests.away)
        return True

    def suspect(self, mail: str, reason: ResultReason, detail: str) -> bool:
        """Refused as if we had no right to send. True when this is the third mail in a row, with none accepted.

        A mail that is refused again and again bears witness once: the fault may be its own.
        """
        self.pristine = False
        if len(self._suspicious) < _WITNESSES:
            self._suspicious.add(mail)
        if not self.usable or len(self._suspicious) < _WITNESSES:
            return False
        self.rest(RelayState.misconfigured, reason, detail)
        return True

    def rest(self, state: RelayState, reason: ResultReason, detail: str, base: float | None = None) -> None:
        """Leave the relay alone for `base` seconds, doubled for every rest in a row, with jitter."""
        if base is None:
            base = self._rests.fault if state is RelayState.misconfigured else self._rests.busy
        period = min(base * 2**self._strikes, max(base, self._rests.longest)) * random.uniform(0.9, 1.1)
        self._strikes = min(self._strikes + 1, 16)
        self.pristine = self.usable = False
        self.state, self.reason, self.detail = state, reason, detail
        self.until = self._now() + period

    def try_again(self) -> None:
        """The rest is over and a connection was made: one mail at a time now."""
        self.state, self.usable, self.pristine = RelayState.trial, True, False

    def rests_for(self) -> float:
        """Seconds until it is tried again; 0.0 while it is usable."""
        return 0.0 if self.usable else max(0.0, self.until - self._now())


_WITNESSES = 3
_PROVEN_BY_ACCEPTANCE = (Reason.sender_refused, Reason.relaying_denied)
