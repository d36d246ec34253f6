"""Decide if a relay may be used: its circuit breaker, its cooldowns, and the faults that only an operator can fix."""

import random
from collections.abc import Callable
from time import monotonic, time
from typing import NamedTuple

from service.adapters.smtp.relay import Cooldowns
from service.model.classifier import RelayEffect
from service.model.reasons import Reason, ResultReason
from service.model.relay import RelayState

_WITNESSES = 3  # unrelated recipients refused in a row show that we are refused, not one of them
_MAX_WITNESSES = 100  # kept, where they are all of one domain
_PROVEN_BY_ACCEPTANCE = (
    Reason.sender_refused,
    Reason.sender_unauthenticated,
    Reason.host_refused,
    Reason.account_refused,
    Reason.relaying_denied,
)


EFFECT_STATES = {
    RelayEffect.cooldown: RelayState.cooldown,
    RelayEffect.misconfigured: RelayState.misconfigured,
}
"""The state that a reply gives the relay."""


class Suspicion(NamedTuple):
    """A refusal that may be about us: the state that the relay takes if other recipients meet the same, and why."""

    state: RelayState
    reason: ResultReason
    detail: str


class RelayHealthTracker:
    """The state of one relay. It counts broken dialogues in a row, cooldowns in a row, and suspicious refusals.

    `pristine`: nothing has happened since the last accepted message, so that accepting needs no call of this class.
    """

    def __init__(self, cooldowns: Cooldowns, now: Callable[[], float] = monotonic) -> None:
        self.state = RelayState.ok
        self.since_ms = int(time() * 1000)
        self.usable = True
        self.reason: ResultReason | None = None
        self.detail = ""
        self.cooldown_until = 0.0
        self._fault = RelayState.ok  # the last state that was neither ok nor a trial
        self.pristine = True
        self._cooldowns = cooldowns
        self._now = now
        self._failures = self._silences = 0
        self._cooldowns_in_row = 0
        self._on_connect = False
        # since the last accepted message
        self._suspected: ResultReason | None = None
        self._witnesses: set[str] = set()  # recipients
        self._domains: set[str] = set()

    def record_accepted(self) -> None:
        """Reset to ok: a message was accepted. Call only when not `pristine`, to keep it off the accepted path."""
        self.pristine = True
        self._enter(RelayState.ok)
        self.usable, self.reason, self.detail = True, None, ""
        self._failures = self._silences = self._cooldowns_in_row = 0
        self._suspected = None
        self._witnesses.clear()
        self._domains.clear()

    def record_answer(self) -> None:
        """Reset the failures: the relay is reachable, whatever it replied."""
        self._failures = self._silences = 0

    def record_reply(self) -> None:
        """Reset the failures, and end a trial that needs no more than an answer."""
        self.record_answer()
        proven = self._on_connect or self.reason not in _PROVEN_BY_ACCEPTANCE
        if self.state is RelayState.trial and proven:
            self.record_accepted()

    def record_failure(self, detail: str, *, silent: bool = False) -> bool:
        """Count a broken dialogue or a failed connection. Return True when that opens the breaker.

        `silent`: the relay did not answer in time. Few of these are enough, in whatever order they come.
        """
        self.pristine = False
        self._failures += 1
        self._silences += silent
        few = self._failures < self._cooldowns.failures and self._silences < self._cooldowns.silences
        if self.state is not RelayState.trial and few:
            return False
        self.cool_down(
            RelayState.breaker_open, Reason.relay_unavailable, detail, self._cooldowns.unavailable_s
        )
        return True

    def record_suspicion(
        self, recipient: str, domain: str, suspicion: Suspicion, domains_seen: int = _WITNESSES
    ) -> bool:
        """Count a refusal that may be about us. Return True when unrelated recipients have met it: the relay stops.

        That are three mailboxes that met the same in a row with no message accepted between them, in as many domains
        as there are (`domains_seen`, up to three): one domain that refuses us is no fault of the relay. A mailbox that
        is refused again and again counts once.
        """
        self.pristine = False
        if suspicion.reason != self._suspected:
            self._suspected = suspicion.reason
            self._witnesses.clear()
            self._domains.clear()
        if len(self._witnesses) < _MAX_WITNESSES:
            self._witnesses.add(recipient.lower())
        if len(self._domains) < _MAX_WITNESSES:
            self._domains.add(domain)
        unrelated = len(self._witnesses) >= _WITNESSES and len(self._domains) >= min(_WITNESSES, domains_seen)
        if not self.usable or not unrelated:
            return False
        self.cool_down(*suspicion)
        return True

    def cool_down(
        self,
        state: RelayState,
        reason: ResultReason,
        detail: str,
        base_s: float | None = None,
        *,
        on_connect: bool = False,
    ) -> None:
        """Stop using the relay for `base_s` seconds, doubled for every cooldown in a row, with a tenth of jitter.

        `on_connect`: it refused a connection, so the next one that it takes shows that the fault is over.
        """
        self._on_connect = on_connect
        cooldowns = self._cooldowns
        if base_s is None:
            base_s = cooldowns.fault_s if state is RelayState.misconfigured else cooldowns.busy_s
        longest_s = max(base_s, cooldowns.max_s)
        period_s = min(base_s * 2**self._cooldowns_in_row, longest_s) * random.uniform(0.9, 1.1)
        self._cooldowns_in_row = min(self._cooldowns_in_row + 1, 16)
        self.pristine = self.usable = False
        self._enter(state)
        self.reason, self.detail = reason, detail
        self.cooldown_until = self._now() + period_s

    def begin_trial(self) -> None:
        """Use the relay again, one message at a time: the cooldown is over and a connection was opened."""
        self._enter(RelayState.trial)
        self.usable, self.pristine = True, False

    def _enter(self, state: RelayState) -> None:
        """Take a state. A trial and what it confirms belong to the time since the fault began."""
        same = state in (self.state, RelayState.trial) or (
            self.state is RelayState.trial and state is self._fault
        )
        if not same:
            self.since_ms = int(time() * 1000)
        if state not in (RelayState.ok, RelayState.trial):
            self._fault = state
        self.state = state

    def cooldown_left_s(self) -> float:
        """Return the seconds until the next try; 0.0 while the relay is usable."""
        return 0.0 if self.usable else max(0.0, self.cooldown_until - self._now())
