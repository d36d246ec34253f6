"""One client of `bench/smtp.py` in its own process, which prints one line of JSON."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, cycle, islice

import aiosmtplib
import uvloop

from bench.postfix import shares
from service.adapters.smtp import Relay, SmtpTransport
from service.model.mail import OutgoingMail, SendResult, SendStatus

BATCH, BATCHES = 500, 4  # messages in a batch, and batches in flight, as a stage submits them
GC_THRESHOLD = 50_000  # as `streams/run.py` sets it, for every client
SENDER = "bounces@tocsin.test"
_LINE = b"The quick brown fox jumps over the lazy dog, and every line has its own end.\r\n"


def mails(number: int) -> list[OutgoingMail]:
    """Return distinct messages of about 5,000 octets to fifty domains."""
    messages = []
    for n in range(number):
        recipient = f"user{n}@example{n % 50}.test"
        head = f"From: <{SENDER}>\r\nTo: <{recipient}>\r\nSubject: Mail {n}\r\nMessage-ID: <{n}@tocsin.test>\r\n\r\n"
        messages.append(OutgoingMail(str(n), SENDER, recipient, head.encode() + _LINE * 62))
    return messages


class Batch:
    """Counts the results of a batch as they come."""

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


async def ours(ports: Sequence[int], connections: int, todo: Sequence[OutgoingMail]) -> tuple[int, float]:
    """Send by Tocsin's engine as a stage uses it, to the sinks in turn. The time includes opening connections."""
    sizes = zip(ports, shares(connections, len(ports)), strict=True)
    transports = [
        SmtpTransport([Relay("sink", "127.0.0.1", port, security="none", max_connections=size)])
        for port, size in sizes
    ]
    await asyncio.gather(*(transport.start() for transport in transports))
    submits = cycle([transport.submit for transport in transports])
    batches = iter(range(0, len(todo), BATCH))
    accepted = 0

    async def submit() -> None:
        nonlocal accepted
        for first in batches:
            batch = Batch(next(submits)(mail) for mail in todo[first : first + BATCH])
            await batch.done.wait()
            accepted += batch.accepted

    started = time.perf_counter()
    await asyncio.gather(*(submit() for _ in range(BATCHES)))
    elapsed_s = time.perf_counter() - started
    await asyncio.gather(*(transport.close(5) for transport in transports))
    return accepted, elapsed_s


async def theirs(ports: Sequence[int], connections: int, todo: Sequence[OutgoingMail]) -> tuple[int, float]:
    """Send by aiosmtplib's `sendmail` over open connections. The time does not include their opening."""
    clients = [
        aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, use_tls=False, start_tls=False, local_hostname="bench"
        )
        for port in islice(cycle(ports), connections)
    ]
    await asyncio.gather(*(client.connect() for client in clients))
    pending: Iterator[OutgoingMail] = iter(todo)
    done = count()

    async def send(client: aiosmtplib.SMTP) -> None:
        for mail in pending:
            refused, _ = await client.sendmail(mail.sender, [mail.recipient], mail.content)
            if not refused:
                next(done)

    started = time.perf_counter()
    await asyncio.gather(*map(send, clients))
    elapsed_s = time.perf_counter() - started
    await asyncio.gather(*(client.quit() for client in clients))
    return next(done), elapsed_s


def main(client: str, loop: str, connections: str, number: str, *ports: str) -> None:
    run = uvloop.run if loop == "uvloop" else asyncio.run
    send = ours if client == "ours" else theirs
    todo = mails(int(number))
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    started = time.process_time()
    accepted, elapsed_s = run(send([*map(int, ports)], int(connections), todo))
    cpu_us = (time.process_time() - started) / len(todo) * 1e6
    print(json.dumps({"accepted": accepted, "seconds": elapsed_s, "cpu_us": cpu_us}))


if __name__ == "__main__":
    main(*sys.argv[1:])
