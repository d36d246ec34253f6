"""What `bench/smtp.py` measures: one client in a process of its own, which prints one line of JSON."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

import aiosmtplib
import uvloop

from service.adapters.smtp import Relay, SmtpTransport
from service.model.mail import OutgoingMail, SendResult, SendStatus

BATCH, BATCHES = 500, 4  # as a stage submits: so many at once, so many batches in flight
YOUNG = 50_000  # collections as `streams/run.py` sets them, for every client
SENDER = "bounces@tocsin.test"
_LINE = b"The quick brown fox jumps over the lazy dog, and every line has its own end.\r\n"


def mails(number: int) -> list[OutgoingMail]:
    """Distinct mails of about 5,000 octets to fifty domains, made beforehand."""
    made = []
    for n in range(number):
        recipient = f"user{n}@example{n % 50}.test"
        head = f"From: <{SENDER}>\r\nTo: <{recipient}>\r\nSubject: Mail {n}\r\nMessage-ID: <{n}@tocsin.test>\r\n\r\n"
        made.append(OutgoingMail(str(n), SENDER, recipient, head.encode() + _LINE * 62))
    return made


class Batch:
    """Counts the results of mails as they come."""

    def __init__(self, futures: "Iterable[asyncio.Future[SendResult]]") -> None:
        self.accepted = self._left = 0
        self.done = asyncio.Event()
        for future in futures:
            self._left += 1
            future.add_done_callback(self._settle)

    def _settle(self, future: "asyncio.Future[SendResult]") -> None:
        self.accepted += future.result().status is SendStatus.accepted
        self._left -= 1
        if not self._left:
            self.done.set()


async def ours(port: int, connections: int, todo: Sequence[OutgoingMail]) -> tuple[int, float]:
    """The engine as a stage uses it: batches submitted, results counted. Opening connections is in the time."""
    transport = SmtpTransport(
        [Relay("sink", "127.0.0.1", port, security="none", max_connections=connections)]
    )
    await transport.start()
    batches = iter(range(0, len(todo), BATCH))
    accepted = 0

    async def submit() -> None:
        nonlocal accepted
        for first in batches:
            batch = Batch(map(transport.submit, todo[first : first + BATCH]))
            await batch.done.wait()
            accepted += batch.accepted

    began = time.perf_counter()
    await asyncio.gather(*(submit() for _ in range(BATCHES)))
    seconds = time.perf_counter() - began
    await transport.close(5)
    return accepted, seconds


async def theirs(port: int, connections: int, todo: Sequence[OutgoingMail]) -> tuple[int, float]:
    """aiosmtplib's `sendmail` over connections that stay open. Opening them is not in the time."""
    clients = [
        aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, use_tls=False, start_tls=False, local_hostname="bench"
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.connect() for client in clients))
    waiting: Iterator[OutgoingMail] = iter(todo)
    done = count()

    async def send(client: aiosmtplib.SMTP) -> None:
        for mail in waiting:
            refused, _ = await client.sendmail(mail.sender, [mail.recipient], mail.content)
            if not refused:
                next(done)

    began = time.perf_counter()
    await asyncio.gather(*map(send, clients))
    seconds = time.perf_counter() - began
    await asyncio.gather(*(client.quit() for client in clients))
    return next(done), seconds


def main(client: str, loop: str, port: str, connections: str, number: str) -> None:
    run = uvloop.run if loop == "uvloop" else asyncio.run
    send = ours if client == "ours" else theirs
    todo = mails(int(number))
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
    began = time.process_time()
    accepted, seconds = run(send(int(port), int(connections), todo))
    cpu_us = (time.process_time() - began) / len(todo) * 1e6
    print(json.dumps({"accepted": accepted, "seconds": seconds, "cpu_us": cpu_us}))


if __name__ == "__main__":
    main(*sys.argv[1:])
