"""The queue: order, the share of a domain, and cancelled messages."""

import asyncio

from service.adapters.smtp import queue as module
from service.adapters.smtp.queue import MailQueue, PendingMail
from service.model.mail import OutgoingMail


def pending(name: str, domain: str) -> PendingMail:
    future = asyncio.get_running_loop().create_future()
    return PendingMail(OutgoingMail(name, "", f"{name}@{domain}", b"\r\n"), domain, future)


async def test_a_domain_gets_its_share_and_no_more() -> None:
    """Park the third message of a domain until one of the two is released; others overtake it."""
    queue = MailQueue(2)
    slow = [pending(f"s{n}", "slow.test") for n in range(4)]
    fast = pending("f", "fast.test")
    for one in [*slow, fast]:
        queue.push(one)

    assert [queue.pop(), queue.pop(), queue.pop(), queue.pop()] == [slow[0], slow[1], fast, None]
    assert len(queue) == 2
    queue.release(slow[0])
    assert [queue.pop(), queue.pop()] == [slow[2], None]


async def test_a_follower_needs_no_connection() -> None:
    """Count two messages to a domain on one connection as one, whichever of them ends first."""
    queue = MailQueue(1)
    messages = [pending(str(n), "x.test") for n in range(5)]
    for one in messages:
        queue.push(one)

    leader = queue.pop()
    follower = queue.pop(leader)
    assert (leader, follower) == (messages[0], messages[1])
    assert queue.pop() is None
    assert leader is not None
    assert follower is not None
    queue.release(leader)
    assert queue.pop() is None
    second = queue.pop(follower)
    assert second is not None
    queue.release(second)
    assert queue.pop() is None
    queue.release(follower)
    assert queue.pop() is not None
    assert queue.active == 1


async def test_the_oldest_parked_message_follows_first() -> None:
    """Let no newer message to a domain overtake a parked one."""
    queue = MailQueue(1)
    messages = [pending(str(n), "x.test") for n in range(4)]
    for one in messages[:3]:
        queue.push(one)
    leader = queue.pop()
    assert queue.pop() is None
    messages[1].future.cancel()
    queue.push(messages[3])

    assert queue.pop(leader) is messages[2]
    assert len(queue) == 1


async def test_cancelled_messages_are_dropped() -> None:
    """Never return a message whose future is done."""
    queue = MailQueue(5)
    first, second = pending("a", "x.test"), pending("b", "x.test")
    queue.push(first)
    queue.push(second)
    first.future.cancel()

    assert queue.pop() is second
    assert queue.active == 1


async def test_drain_removes_every_message() -> None:
    """Return parked messages too, and leave nothing."""
    queue = MailQueue(1)
    messages = [pending(str(n), "x.test") for n in range(4)]
    for one in messages:
        queue.push(one)
    first = queue.pop()
    assert queue.pop() is None

    assert [first, *queue.drain()] == messages
    assert len(queue) == 0


async def test_domains_are_forgotten(monkeypatch: object) -> None:
    """Bound the number of domains kept; never forget a busy one."""
    queue = MailQueue(1)
    busy = pending("b", "busy.test")
    queue.push(busy)
    queue.pop()
    for number in range(module._MAX_IDLE_DOMAINS + 10):
        queue.push(pending("x", f"d{number}.test"))
        popped = queue.pop()
        assert popped is not None
        queue.release(popped)
    queue.push(pending("c", "busy.test"))

    assert len(queue._domains) <= module._MAX_IDLE_DOMAINS
    assert queue.pop() is None
