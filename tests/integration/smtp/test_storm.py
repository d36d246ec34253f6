"""Many failures at once: two relays that greylist, refuse, drop, reply 421 and rotate."""

import random
from collections import Counter

from service.adapters.smtp import Cooldowns
from service.model.mail import SendStatus
from service.model.reasons import Reason
from tests.integration.smtp.rig import engine, mail, relay, send, until
from tests.support.smtp_server import Answer, Do, ScriptedServer, Session

MESSAGES = 1500


async def test_every_message_has_the_one_correct_result() -> None:
    """Return accepted for 250 and one arrival, ambiguous for a drop after end of data; lose and double nothing."""
    dice = random.Random(7)
    replied: Counter[str] = Counter()

    def script(session: Session, verb: str, line: str) -> Answer:
        if verb == "MAIL" and session.accepted and session.accepted % 100 == 0:
            return (b"421 4.7.0 Max messages per connection\r\n", Do.close)
        if verb == "RCPT":
            number = int(line.partition("user")[2].partition("@")[0])
            if number % 10 < 3:
                return b"451 4.7.1 Greylisted, try again in 60 seconds\r\n"
            if number % 20 == 5:
                return b"550 5.1.1 User unknown\r\n"
        if verb == "END" and session.arrived:
            recipient = session.arrived[-1].recipients[0]
            if dice.random() < 0.01:
                replied[f"dropped {recipient}"] += 1
                return Do.reset
            replied[f"accepted {recipient}"] += 1
        return None

    async with ScriptedServer(script) as first, ScriptedServer(script) as second:
        relays = (
            relay(first, max_connections=4, cooldowns=Cooldowns(unavailable_s=0.05)),
            relay(second, "second", max_connections=4),
        )
        async with engine(*relays) as transport:
            messages = [mail(number, f"user{number}@example{number % 7}.com") for number in range(MESSAGES)]
            results = []
            for start in range(0, MESSAGES, 500):
                results += await send(transport, *messages[start : start + 500], within_s=60)
                await until(lambda: any(one.state in ("ok", "trial") for one in transport.state()))

    expected_grey = sum(number % 10 < 3 for number in range(MESSAGES))
    statuses = Counter(result.status for result in results)
    assert statuses[SendStatus.unsent] == 0
    assert statuses[SendStatus.deferred] == expected_grey
    assert {one.reason for one in results if one.status is SendStatus.deferred} == {Reason.greylisted}
    assert statuses[SendStatus.bounced] == sum(n % 10 >= 3 and n % 20 == 5 for n in range(MESSAGES))
    for one, result in zip(messages, results, strict=True):
        recipient = f"RCPT TO:<{one.recipient}>"
        accepted, dropped = replied[f"accepted {recipient}"], replied[f"dropped {recipient}"]
        assert (accepted, dropped) == {
            SendStatus.accepted: (1, 0),
            SendStatus.ambiguous: (0, 1),
        }.get(result.status, (0, 0))
    assert statuses[SendStatus.ambiguous] > 0
