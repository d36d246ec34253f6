"""A relay that refuses for a while, breaks off, or falls silent, at every step of its dialogue."""

from collections import Counter
from collections.abc import Sequence

from service.dev.catcher import CaughtMail
from tests.chaos.environment import World
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session

_SHARE = 0.02
_PATIENCE_SECONDS = 900
"""Who is greylisted, or meets a full disk, waits for five minutes."""

_TROUBLE: dict[str, Sequence[Answer]] = {
    "CONNECT": [(b"421 4.3.2 Too busy\r\n", Do.close)],
    "MAIL": [b"450 4.3.0 Try again later\r\n", Do.reset],
    "RCPT": [b"451 4.7.1 Greylisted\r\n", b"452 4.3.1 Insufficient system storage\r\n", Do.close],
    "DATA": [b"451 4.3.0 Local error\r\n", Do.reset],
    "END": [b"451 4.3.0 Local error\r\n", Do.close, Do.reset, (b"250 2.0.0 Ok\r\n", Do.reset)],
}
"""What a relay may do in place of a plain yes. After the final dot, breaking off means that it has the mail."""


class UnreliableRelay:
    """A sink that counts what it has taken over, whether it could say so or not."""

    def __init__(self, world: World) -> None:
        self.done: Counter[str] = Counter()
        self.mails: list[CaughtMail] = []
        self.in_doubt = 0
        self.troubled = False
        self._rng = world.rng
        self.server = ScriptedServer(self._script)

    def _script(self, session: Session, verb: str, line: str) -> Answer:
        answer: Answer = None
        if self.troubled and verb in _TROUBLE and self._rng.random() < _SHARE:
            answer = self._rng.choice(_TROUBLE[verb])
            self.done[verb] += 1
        if verb == "END" and not (isinstance(answer, bytes) and answer.startswith(b"4")):
            self._take(session)
            self.in_doubt += answer in (Do.close, Do.reset)
        return answer

    def _take(self, session: Session) -> None:
        message = session.arrived[-1]
        address = message.recipients[0].partition("<")[2].partition(">")[0]
        self.mails.append(CaughtMail("", (address,), message.content))


async def relay_troubles(world: World) -> None:
    """Temporary refusals and broken connections; what is in doubt may come twice, everything else once."""
    relay = UnreliableRelay(world)
    async with relay.server:
        world.mails, world.received = lambda: relay.mails, lambda: len(relay.mails)
        world.line.start_worker(TOCSIN_SMTP__PORT=str(relay.server.port))
        async with world.flow(40):
            await world.mailed(20)
            relay.troubled = True
            await world.mailed(400)
            relay.troubled = False
            world.healed()
        world.mail_bound += relay.in_doubt
        world.note = ", ".join(f"{count} at {verb}" for verb, count in sorted(relay.done.items()))
        await world.settled(world.published, _PATIENCE_SECONDS)
