"""Spec of the MailLimits port."""

import heapq
import random

from service.model.catalogue import Lane
from service.model.ids import delivery_id, event_key
from service.ports import LimitedMail, MailAllowance
from tests.specs.backend import Backend

NOW, HOUR, DAY = 1_800_000_000_000, 3_600_000, 86_400_000
MARGIN = 1000


def delivery_of(n: int, recipient: str = "alice") -> str:
    return delivery_id(event_key("s", str(n)), recipient, "email")


def mail(
    n: int,
    allowance: MailAllowance,
    lane: Lane = Lane.normal,
    type_: str = "overbid",
    *,
    recipient: str = "alice",
    exempt: bool = False,
) -> LimitedMail:
    return LimitedMail(recipient, delivery_of(n, recipient), type_, lane, allowance, exempt)


async def take(backend: Backend, now_ms: int, *mails: LimitedMail) -> list[int]:
    return list(await backend.limits.take(mails, now_ms))


async def test_a_mail_over_the_limit_waits_until_a_counted_one_is_as_old(backend: Backend) -> None:
    """The limit is of every hour: room comes with the hour after the oldest counted mail, not with the next one."""
    two = MailAllowance(hour=2)
    assert await take(backend, NOW, mail(1, two)) == [0]
    assert await take(backend, NOW + 1, mail(2, two)) == [0]
    assert await take(backend, NOW + 2, mail(3, two)) == [NOW + HOUR]
    assert await take(backend, NOW + HOUR - 1, mail(3, two)) == [NOW + HOUR]
    assert await take(backend, NOW + HOUR, mail(3, two)) == [0]
    assert await take(backend, NOW + HOUR, mail(4, two)) == [NOW + HOUR + 1]


async def test_the_later_of_two_limits_counts(backend: Backend) -> None:
    """An hour with room is of no use in a day without; and the other way round."""
    both = MailAllowance(hour=1, day=2)
    assert await take(backend, NOW, mail(1, both), mail(2, both)) == [0, NOW + HOUR]
    assert await take(backend, NOW + HOUR, mail(2, both), mail(3, both)) == [0, NOW + DAY]
    assert await take(backend, NOW + DAY, mail(3, both)) == [0]


async def test_a_type_has_a_limit_of_its_own(backend: Backend) -> None:
    """A mail that waits for room in its type keeps no room from other types, and other types none from it."""
    allowance, other = MailAllowance(day=3, type_day=1), MailAllowance(day=3)
    assert await take(backend, NOW, mail(1, allowance), mail(2, allowance)) == [0, NOW + DAY]
    assert await take(backend, NOW + 1, mail(3, other, type_="winner")) == [0]
    assert await take(backend, NOW + 2, mail(4, MailAllowance(3, 3, 1, 1), type_="loser")) == [0]
    assert await take(backend, NOW + 3, mail(5, other, type_="winner")) == [NOW + DAY]
    assert await take(backend, NOW + 3, mail(6, MailAllowance(type_hour=9), type_="free")) == [0]


async def test_a_mail_is_counted_once(backend: Backend) -> None:
    """A later attempt keeps its room; its time is that of the newest take."""
    two = MailAllowance(hour=2)
    assert await take(backend, NOW, mail(1, two), mail(1, two), mail(2, two)) == [0, 0, 0]
    assert await take(backend, NOW + 10, mail(1, two)) == [0]
    assert await take(backend, NOW + 10, mail(3, two)) == [NOW + HOUR]
    assert await take(backend, NOW + HOUR, mail(3, two), mail(4, two)) == [0, NOW + HOUR + 10]


async def test_an_attempt_after_the_hour_needs_room_in_it_again(backend: Backend) -> None:
    """It keeps its room in the day only."""
    allowance = MailAllowance(hour=1, day=2)
    assert await take(backend, NOW, mail(1, allowance)) == [0]
    assert await take(backend, NOW + HOUR, mail(2, allowance)) == [0]
    assert await take(backend, NOW + HOUR + 5, mail(1, allowance)) == [NOW + 2 * HOUR]
    assert await take(backend, NOW + 2 * HOUR, mail(1, allowance)) == [0]
    assert await take(backend, NOW + 3 * HOUR, mail(3, allowance)) == [NOW + HOUR + DAY]


async def test_an_exempt_mail_is_counted_and_never_held(backend: Backend) -> None:
    """Mail that must be sent leaves less room for the rest."""
    one = MailAllowance(hour=1, type_hour=1)
    assert await take(backend, NOW, mail(1, one, exempt=True), mail(2, one, exempt=True)) == [0, 0]
    assert await take(backend, NOW + 1, mail(3, one)) == [NOW + HOUR]
    assert await take(backend, NOW + 2, mail(3, one, exempt=True)) == [0]
    assert await take(backend, NOW + HOUR, mail(4, one)) == [NOW + HOUR + 2]


async def test_mail_without_a_limit_is_not_counted(backend: Backend) -> None:
    """Neither is another recipient's."""
    one = MailAllowance(hour=1)
    assert await take(backend, NOW, *(mail(n, MailAllowance()) for n in range(3))) == [0, 0, 0]
    assert await take(backend, NOW, mail(4, one), mail(4, one, recipient="bob{}")) == [0, 0]
    assert await take(backend, NOW, mail(5, one, recipient="bob{}"), mail(5, one)) == [NOW + HOUR, NOW + HOUR]
    assert await take(backend, NOW) == []


async def test_a_higher_lane_gets_room_first_and_then_the_first_to_come(backend: Backend) -> None:
    """One that came first has its room even if another comes back before it."""
    two, later = MailAllowance(hour=2), NOW + HOUR
    assert await take(backend, NOW, mail(1, two), mail(2, two)) == [0, 0]
    bulk, normal, high = (mail(n, two, lane) for n, lane in enumerate((Lane.bulk, Lane.normal, Lane.high), 3))
    assert await take(backend, NOW, bulk) == [later]
    assert await take(backend, NOW, normal) == [later]
    assert await take(backend, NOW, high) == [later]
    second = mail(6, two, Lane.high)
    assert await take(backend, NOW, second) == [later]
    assert await take(backend, later, bulk, normal) == [later + HOUR + MARGIN] * 2
    assert await take(backend, later, second, high) == [0, 0]
    assert await take(backend, later + 1, normal, bulk) == [later + HOUR, later + HOUR]


async def test_new_mail_waits_behind_the_one_that_waits_already(backend: Backend) -> None:
    """Room that is free is the room of those that wait, as far as they need it; a higher lane passes them."""
    two = MailAllowance(hour=2)
    await take(backend, NOW, mail(1, two), mail(2, two), mail(3, two))
    await backend.limits.give_back([("alice", delivery_of(1))])
    assert await take(backend, NOW + 1, mail(4, two)) == [NOW + HOUR]
    assert await take(backend, NOW + 1, mail(5, two, Lane.high)) == [0]
    await backend.limits.give_back([("alice", delivery_of(2)), ("alice", delivery_of(3))])
    assert await take(backend, NOW + 2, mail(4, two)) == [0]


async def test_one_that_does_not_come_back_blocks_others_for_an_hour(backend: Backend) -> None:
    """Then its place in the order is free: nothing says that it still wants to be sent."""
    one = MailAllowance(day=1)
    await take(backend, NOW, mail(1, one), mail(2, one), mail(3, one))
    assert (await take(backend, NOW + DAY + HOUR - 1, mail(3, one)))[0] > NOW + 2 * DAY
    assert await take(backend, NOW + DAY + HOUR, mail(3, one)) == [0]


async def test_room_is_given_back(backend: Backend) -> None:
    """A mail that is not sent frees its room and its place in the order; one that is not counted changes nothing."""
    allowance = MailAllowance(hour=2, type_day=2)
    await take(backend, NOW, mail(1, allowance), mail(2, allowance), mail(3, allowance))
    await backend.limits.give_back([("alice", delivery_of(n)) for n in (1, 3, 9)])
    await backend.limits.give_back([])
    assert await take(backend, NOW + 1, mail(4, allowance), mail(5, allowance)) == [0, NOW + DAY]


async def test_counts_are_restored(backend: Backend) -> None:
    """In any order; of several times of a mail the newest counts, and a later take counts them."""
    allowance = MailAllowance(hour=2, type_day=3)
    mails = [mail(n, allowance) for n in (1, 2, 1)]
    await backend.limits.restore([*mails, mail(3, MailAllowance())], [NOW + 9, NOW - 2 * HOUR, NOW, NOW])
    await backend.limits.restore([], [])
    assert await take(backend, NOW + 10, mail(4, allowance), mail(5, allowance)) == [0, NOW + DAY - 2 * HOUR]
    assert await take(backend, NOW + 11, mail(6, allowance, type_="winner")) == [NOW + HOUR + 9]


async def test_clocks_that_differ_do_not_exceed_a_limit(backend: Backend) -> None:
    """The newest clock of a recipient's takes counts; one that was years ahead does not."""
    one = MailAllowance(hour=1)
    assert await take(backend, NOW + 5000, mail(1, one)) == [0]
    assert await take(backend, NOW, mail(2, one)) == [NOW + 5000 + HOUR]
    assert await take(backend, NOW + HOUR, mail(2, one)) == [NOW + 5000 + HOUR]
    bob = [mail(n, one, recipient="bob") for n in (1, 2)]
    assert await take(backend, NOW + 900 * DAY, bob[0]) == [0]
    assert await take(backend, NOW, bob[1]) == [NOW + HOUR]


async def test_a_waiting_mail_rarely_comes_in_vain(backend: Backend) -> None:
    """Their times are as far apart as room for them comes, however many wait and whatever lane they have."""
    chance, allowance, mails = random.Random(5), MailAllowance(hour=10, day=150), 400
    waiting = [(NOW, n) for n in range(mails)]
    lanes = [chance.choice(list(Lane)) for _ in range(mails)]
    takes, sent = 0, list[int]()
    while waiting:
        at_ms, n = heapq.heappop(waiting)
        at_ms += chance.randrange(700)  # the scheduler, Kafka and the stage
        (again_ms,) = await take(backend, at_ms, mail(n, allowance, lanes[n]))
        takes += 1
        if again_ms:
            heapq.heappush(waiting, (again_ms, n))
        else:
            sent.append(at_ms)
    assert takes < 2.7 * mails
    assert max(sent) < NOW + 2 * DAY + 10 * HOUR + 60_000


async def test_looking_for_room_counts_nothing(backend: Backend) -> None:
    """What-if sees the time that a mail would get, however often it looks."""
    one = MailAllowance(hour=1)
    assert list(await backend.limits.room([mail(1, one)], NOW)) == [0]
    assert await take(backend, NOW, mail(1, one)) == [0]
    looked = [list(await backend.limits.room([mail(2, one)], NOW)) for _ in range(3)]

    assert looked == [await take(backend, NOW, mail(2, one))] * 3 == [[NOW + HOUR]] * 3
