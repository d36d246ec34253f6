"""The queue: order, the share of a domain, and mails nobody wants any more."""

import asyncio

from service.adapters.smtp import queue as module
from service.adapters.smtp.queue import MailQueue, PendingMail
from service.model.mail import OutgoingMail


def pending(name: str, domain: str) -> PendingMail:
    future = asyncio.get_running_loop().create_future()
    return PendingMail(OutgoingMail(name, "", f"{name}@{domain}", b"\r\n"), domain, future)


async def test_a_domain_gets_its_share_and_no_more() -> None:
    """The third mail of a domain waits until one of the two is done; others pass it."""
    queue = MailQueue(2)
    slow = [pending(f"s{n}", "slow.test") for n in range(4)]
    fast = pending("f", "fast.test")
    for one in [*slow, fast]:
        queue.push(one)

    assert [queue.pop(), queue.pop(), queue.pop(), queue.pop()] == [slow[0], slow[1], fast, None]
    assert len(queue) == 2
    queue.release(slow[0])
    assert [queue.pop(), queue.pop()] == [slow[2], None]


async def test_a_rider_takes_no_place() -> None:
    """Two mails to a domain on one connection take one of its places, whichever of them ends first."""
    queue = MailQueue(1)
    mails = [pending(str(n), "x.test") for n in range(5)]
    for one in mails:
        queue.push(one)

    front = queue.pop()
    rider = queue.pop(front)
    assert (front, rider) == (mails[0], mails[1])
    assert queue.pop() is None
    assert front is not None
    assert rider is not None
    queue.release(front)
    assert queue.pop() is None
    second = queue.pop(rider)
    assert second is not None
    queue.release(second)
    assert queue.pop() is None
    queue.release(rider)
    assert queue.pop() is not None
    assert queue.active == 1


async def test_the_oldest_rides_first() -> None:
    """A mail that was parked is not overtaken by newer ones to its domain."""
    queue = MailQueue(1)
    mails = [pending(str(n), "x.test") for n in range(4)]
    for one in mails[:3]:
        queue.push(one)
    front = queue.pop()
    assert queue.pop() is None
    mails[1].future.cancel()
    queue.push(mails[3])

    assert queue.pop(front) is mails[2]
    assert len(queue) == 1


async def test_cancelled_mails_are_forgotten() -> None:
    """A mail whose future is done is not handed out."""
    queue = MailQueue(5)
    first, second = pending("a", "x.test"), pending("b", "x.test")
    queue.push(first)
    queue.push(second)
    first.future.cancel()

    assert queue.pop() is second
    assert queue.active == 1


async def test_drain_takes_all() -> None:
    """Parked mails come out too, and nothing is left."""
    queue = MailQueue(1)
    mails = [pending(str(n), "x.test") for n in range(4)]
    for one in mails:
        queue.push(one)
    taken = queue.pop()
    assert queue.pop() is None

    assert [taken, *queue.drain()] == mails
    assert len(queue) == 0


async def test_domains_are_forgotten(monkeypatch: object) -> None:
    """What is kept of domains is bounded, and the busy ones are never forgotten."""
    queue = MailQueue(1)
    busy = pending("b", "busy.test")
    queue.push(busy)
    queue.pop()
    for number in range(module._MOST_IDLE_DOMAINS + 10):
        queue.push(pending("x", f"d{number}.test"))
        taken = queue.pop()
        assert taken is not None
        queue.release(taken)
    queue.push(pending("c", "busy.test"))

    assert len(queue._domains) <= module._MOST_IDLE_DOMAINS
    assert queue.pop() is None
