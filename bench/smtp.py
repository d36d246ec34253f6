"""How fast mail is handed to a relay: ours, aiosmtplib's `sendmail`, Postfix's `smtp-source -d`, one smtp-sink.

Mails of 5 kB; 1 and 10 connections; 0 and 20 ms of added round trip. The rounds interleave the clients, so that
all meet the same machine; rates and ratios are medians over the rounds. `lost` and `duplicates` are what the
sinks counted.
"""

import argparse
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

POSTFIX = "/usr/sbin:/usr/local/sbin:/usr/libexec/postfix"
LONGEST_S = 120  # a client that takes longer hangs
CLIENTS = ("ours", "ours (asyncio)", "smtp-source -d", "aiosmtplib")
# (connections, added round trip in ms): how many mails each client sends
CASES = {
    (10, 0): {"ours": 30_000, "smtp-source -d": 30_000, "aiosmtplib": 6_000},
    (1, 0): {"ours": 12_000, "smtp-source -d": 6_000, "aiosmtplib": 2_500},
    (10, 20): {"ours": 1_200, "smtp-source -d": 300, "aiosmtplib": 300},
    (1, 20): {"ours": 120, "smtp-source -d": 30, "aiosmtplib": 30},
}


def tool(name: str) -> str:
    found = shutil.which(name, path=POSTFIX)
    if found is None:
        sys.exit(f"{name} is missing: install Postfix")
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def python(module: str, *arguments: object, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


@contextmanager
def running(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


class PostfixSink:
    """smtp-sink with its own counter, which it writes to a file."""

    def __init__(self, stack: ExitStack) -> None:
        self.port = free_port()
        self._counter = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "counter"
        output = stack.enter_context(self._counter.open("wb"))
        command = [tool("smtp-sink"), "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "200"]
        stack.enter_context(running(subprocess.Popen(command, stdout=output, text=True)))
        deadline = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            if time.monotonic() > deadline:
                sys.exit("smtp-sink does not listen")
            time.sleep(0.02)

    def counted(self) -> int:
        """Messages so far, once the counter stands still."""
        last = -1
        while last != (now := self._read()):
            last = now
            time.sleep(0.1)
        return now

    def _read(self) -> int:
        with self._counter.open("rb") as file:
            file.seek(max(0, self._counter.stat().st_size - 400))
            return int((re.findall(rb"mesg=(\d+)", file.read()) or [b"0"])[-1])


def rate(client: str, port: int, connections: int, mails: int) -> tuple[int, float, float]:
    """Mails accepted, mails a second, CPU a mail in µs (0 where the client does not tell)."""
    if client == "smtp-source -d":
        addresses = ["-f", "bounces@tocsin.test", "-t", "user@example.test"]
        command = [
            tool("smtp-source"),
            "-d",
            "-s",
            str(connections),
            "-m",
            str(mails),
            "-l",
            "5000",
            *addresses,
        ]
        began = time.perf_counter()
        subprocess.run([*command, f"127.0.0.1:{port}"], check=True, timeout=LONGEST_S)
        return mails, mails / (time.perf_counter() - began), 0.0
    loop = "asyncio" if "asyncio" in client else "uvloop"
    process = python("bench.smtp_clients", client.partition(" ")[0], loop, port, connections, mails)
    found = json.loads(process.communicate(timeout=LONGEST_S)[0])
    return found["accepted"], found["accepted"] / found["seconds"], found["cpu_us"]


def by_identity(mails: int) -> tuple[int, int]:
    """(lost, duplicates) of ours over 10 connections, by Message-ID, at a sink that writes them all down."""
    with running(python("bench.counting_sink", stdin=subprocess.PIPE)) as sink:
        assert sink.stdout is not None
        accepted, _, _ = rate("ours", int(sink.stdout.readline()), 10, mails)
        counted = json.loads(sink.communicate(input="")[0])
    return accepted - counted["distinct"], counted["doubled"]


def measure(rounds: int) -> tuple[dict[tuple[str, str], list[float]], dict[str, list[float]], int, int]:
    """Rates by (client, case), our CPU by case, and what the sink's counter says was lost and doubled."""
    rates: dict[tuple[str, str], list[float]] = {}
    cpu: dict[str, list[float]] = {}
    lost = doubled = 0
    with ExitStack() as stack:
        sink = PostfixSink(stack)
        ports = {0: sink.port}
        proxy = stack.enter_context(running(python("bench.delay_proxy", sink.port, 0.020)))
        assert proxy.stdout is not None
        ports[20] = int(proxy.stdout.readline())
        for _ in range(rounds):
            for (connections, delay), sizes in CASES.items():
                case = f"{connections} connection{'s' * (connections > 1)}, {delay} ms"
                for client in CLIENTS:
                    before = sink.counted()
                    size = sizes["ours" if client.startswith("ours") else client]
                    accepted, found, used = rate(client, ports[delay], connections, size)
                    rates.setdefault((client, case), []).append(found)
                    cpu.setdefault(f"{client}|{case}", []).append(used)
                    difference = accepted - (sink.counted() - before)
                    if client.startswith("ours"):
                        lost, doubled = lost + max(0, difference), doubled + max(0, -difference)
    return rates, cpu, lost, doubled


def ratio(rates: dict[tuple[str, str], list[float]], case: str, peer: str) -> float:
    """Ours to a peer's, round by round, since what else the machine does changes from round to round: the median."""
    return statistics.median(a / b for a, b in zip(rates["ours", case], rates[peer, case], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rates, cpu, lost, doubled = measure(parser.parse_args().rounds)
    missing, twice = by_identity(20_000)
    cases = list(dict.fromkeys(case for _, case in rates))
    median = {key: statistics.median(values) for key, values in rates.items()}
    print(
        f"{'mails/s, median':24}"
        + "".join(f"{client:>18}" for client in CLIENTS)
        + "   /source    /aio   µs CPU"
    )
    for case in cases:
        row = [median[client, case] for client in CLIENTS]
        to_source, to_aio = (ratio(rates, case, peer) for peer in CLIENTS[2:])
        ratios = f"{to_source:>10.2f}{to_aio:>8.2f}{statistics.median(cpu[f'ours|{case}']):>9.1f}"
        print(f"{case:24}" + "".join(f"{value:>18,.1f}" for value in row) + ratios)
    print(
        f"each round: {json.dumps({f'{a} | {b}': [round(v, 1) for v in found] for (a, b), found in rates.items()})}"
    )
    ours = {case: round(median["ours", case], 1) for case in cases}
    against = {peer: {case: round(median[peer, case], 1) for case in cases} for peer in CLIENTS[1:]}
    line = {"bench": "smtp", "unit": "per_s", "ours": ours, "against": against}
    print(json.dumps({**line, "lost": lost + missing, "duplicates": doubled + twice}))


if __name__ == "__main__":
    main()
