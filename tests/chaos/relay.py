"""A relay that refuses, closes connections or resets them for a while, at every step of its dialogue."""

from collections import Counter
from collections.abc import Sequence

from service.dev.catcher import CaughtMail
from tests.chaos.environment import ChaosEnvironment
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session

_FAULT_SHARE = 0.02
_SETTLE_TIMEOUT_S = 900
"""A greylisted message, or one for a full disk, is retried after five minutes."""

_FAULTS: dict[str, Sequence[Answer]] = {
    "CONNECT": [(b"421 4.3.2 Too busy\r\n", Do.close)],
    "MAIL": [b"450 4.3.0 Try again later\r\n", Do.reset],
    "RCPT": [b"451 4.7.1 Greylisted\r\n", b"452 4.3.1 Insufficient system storage\r\n", Do.close],
    "DATA": [b"451 4.3.0 Local error\r\n", Do.reset],
    "END": [b"451 4.3.0 Local error\r\n", Do.close, Do.reset, (b"250 2.0.0 Ok\r\n", Do.reset)],
}
"""Replies instead of the usual one, by verb. Closing after the end of data means that the relay has the message."""


class UnreliableRelay:
    """A sink that counts the messages that it has accepted, whether its reply arrived or not."""

    def __init__(self, environment: ChaosEnvironment) -> None:
        self.faults: Counter[str] = Counter()
        self.mails: list[CaughtMail] = []
        self.in_doubt = 0
        self.faulty = False
        self._rng = environment.rng
        self.server = ScriptedServer(self._script)

    def serve(self, environment: ChaosEnvironment) -> None:
        """Let the environment count the messages of this relay instead of the mail catcher's."""
        environment.mails, environment.mail_count = lambda: self.mails, lambda: len(self.mails)
        environment.newest_first = False

    def _script(self, session: Session, verb: str, line: str) -> Answer:
        answer: Answer = None
        if self.faulty and verb in _FAULTS and self._rng.random() < _FAULT_SHARE:
            answer = self._rng.choice(_FAULTS[verb])
            self.faults[verb] += 1
        if verb == "END" and not (isinstance(answer, bytes) and answer.startswith(b"4")):
            self._accept(session)
            self.in_doubt += answer in (Do.close, Do.reset)
        return answer

    def _accept(self, session: Session) -> None:
        message = session.arrived[-1]
        address = message.recipients[0].partition("<")[2].partition(">")[0]
        self.mails.append(CaughtMail("", (address,), message.content))


class SlowRelay(UnreliableRelay):
    """A relay without faults that answers each message after `server.delay_s` seconds; it has the message before."""

    def _script(self, session: Session, verb: str, line: str) -> Answer:
        if verb != "END":
            return None
        self._accept(session)
        return (Do.delay, b"250 2.0.0 Ok\r\n")


class DeferringRelay(UnreliableRelay):
    """A relay that defers the first message to each address, for a minute, and accepts all others."""

    def __init__(self, environment: ChaosEnvironment) -> None:
        super().__init__(environment)
        self.deferred: set[str] = set()

    def _script(self, session: Session, verb: str, line: str) -> Answer:
        if verb == "RCPT" and line not in self.deferred:
            self.deferred.add(line)
            return b"451 4.3.0 Local error\r\n"
        if verb == "END":
            self._accept(session)
        return None


async def relay_faults(environment: ChaosEnvironment) -> None:
    """Send through a relay with temporary refusals and broken connections: only messages in doubt may come twice."""
    relay = UnreliableRelay(environment)
    async with relay.server:
        relay.serve(environment)
        environment.pipeline.start_worker(TOCSIN_SMTP__PORT=str(relay.server.port))
        async with environment.continuous_load(40):
            await environment.wait_for_mail(20)
            relay.faulty = True
            await environment.wait_for_mail(400)
            relay.faulty = False
            environment.end_fault()
        environment.mail_bound += relay.in_doubt
        environment.note = ", ".join(f"{count} at {verb}" for verb, count in sorted(relay.faults.items()))
        await environment.wait_until_settled(environment.published, _SETTLE_TIMEOUT_S)
