"""Rates and CPU of SMTP clients: Tocsin's engine, aiosmtplib's `sendmail`, Postfix's `smtp-source -d`, into smtp-sink.

Messages of 5 kB; 1 and 10 connections; 0 and 20 ms of added round trip; and several sinks (`--sinks`), over which every
client spreads its connections and messages: Tocsin one relay a sink, in one process; aiosmtplib its connections, in one
process; smtp-source, which knows one server, one process a sink. The rounds interleave the clients, since the speed of
the machine varies; rates and ratios are medians over the rounds. Tocsin's engine (`ours`) runs on uvloop, as in a
worker, and on asyncio's own loop. So does aiosmtplib, which is mostly run on the latter: `x aiosmtplib` is the ratio to
the faster of its two in each round. All Python clients collect garbage as a worker does.

The CPU of a client is that of all its processes, beside it that of the sinks. `sink` is the share of a core that each
sink used while ours sent, and `sink max` the rate that the sinks could accept, with a core each, if they never waited:
near 100 % no client could be much faster. `lost` and `duplicates` are counted by the sinks.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from bench.postfix import PostfixSink, running, smtp_source

TIMEOUT_S = 120  # a client that takes longer hangs
OURS, OURS_SLOW, SOURCE = "ours", "ours (asyncio)", "smtp-source -d"
THEIRS = ("aiosmtplib (uvloop)", "aiosmtplib (asyncio)")
PEERS = (SOURCE, "aiosmtplib")  # the second: the faster of its two
CLIENTS = (OURS, OURS_SLOW, SOURCE, *THEIRS)
ROUND_TRIP_MS = 20


class Case(NamedTuple):
    """A number of connections, the added round trip in ms, and how many sinks share the connections."""

    connections: int
    delay_ms: int
    sinks: int = 1

    def __str__(self) -> str:
        plural = "s" * (self.connections > 1)
        sinks = f", {self.sinks} sinks" if self.sinks > 1 else ""
        return f"{self.connections} connection{plural}, {self.delay_ms} ms{sinks}"


class Run(NamedTuple):
    """One client in one round: messages per second, and the CPU in µs per message: its own, and that of all sinks."""

    rate: float
    cpu_us: float
    sinks_us: float


Runs = dict[Case, dict[str, list[Run]]]  # by client


def sizes(sinks: int) -> dict[Case, dict[str, int]]:
    """Return the messages of each client. With a round trip, the event loop makes no difference."""
    many = dict(zip(CLIENTS, (30_000, 15_000, 30_000, 6_000, 4_000), strict=True))
    return {
        Case(10, 0): many,
        Case(10, 0, sinks): many,
        Case(1, 0): dict(zip(CLIENTS, (12_000, 6_000, 6_000, 2_500, 1_500), strict=True)),
        Case(10, ROUND_TRIP_MS): {OURS: 1_200, SOURCE: 250, THEIRS[0]: 250},
        Case(1, ROUND_TRIP_MS): {OURS: 120, SOURCE: 25, THEIRS[0]: 25},
    }


def python(module: str, *arguments: object, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


def send(client: str, ports: Sequence[int], connections: int, mails: int) -> tuple[int, float, float]:
    """Run a client; return the messages accepted, the seconds, and the CPU in µs per message."""
    if client == SOURCE:
        elapsed_s, cpu_s = smtp_source(ports, connections, mails, TIMEOUT_S)
        return mails, elapsed_s, cpu_s / mails * 1e6
    loop = "asyncio" if "asyncio" in client else "uvloop"
    process = python("bench.smtp_clients", client.partition(" ")[0], loop, connections, mails, *ports)
    result = json.loads(process.communicate(timeout=TIMEOUT_S)[0])
    return result["accepted"], result["seconds"], result["cpu_us"]


def count_by_message_id(mails: int) -> tuple[int, int]:
    """Return (lost, duplicates) of ours over 10 connections, by Message-ID, at a sink that records them all."""
    with running(python("bench.counting_sink", stdin=subprocess.PIPE)) as sink:
        assert sink.stdout is not None
        accepted, _, _ = send(OURS, [int(sink.stdout.readline())], 10, mails)
        counted = json.loads(sink.communicate(input="")[0])
    return accepted - counted["distinct"], counted["doubled"]


def measure(rounds: int, most_sinks: int) -> tuple[Runs, int, int]:
    """Return all runs, and the messages lost and duplicated by the sinks' counters."""
    runs: Runs = {}
    lost = duplicates = 0
    with ExitStack() as stack:
        sinks = [PostfixSink(stack) for _ in range(most_sinks)]
        proxy = stack.enter_context(running(python("bench.delay_proxy", sinks[0].port, ROUND_TRIP_MS / 1000)))
        assert proxy.stdout is not None
        delayed = [int(proxy.stdout.readline())]
        for _ in range(rounds):
            for case, clients in sizes(most_sinks).items():
                used = sinks[: case.sinks]
                ports = delayed if case.delay_ms else [sink.port for sink in used]
                for client, size in clients.items():
                    before, cpu_before_s = _count(used), _cpu_s(used)
                    accepted, elapsed_s, cpu_us = send(client, ports, case.connections, size)
                    difference = accepted - (_count(used) - before)
                    run = Run(accepted / elapsed_s, cpu_us, (_cpu_s(used) - cpu_before_s) / size * 1e6)
                    runs.setdefault(case, {}).setdefault(client, []).append(run)
                    if client in (OURS, OURS_SLOW):
                        lost, duplicates = lost + max(0, difference), duplicates + max(0, -difference)
    return runs, lost, duplicates


def _count(sinks: Sequence[PostfixSink]) -> int:
    return sum(sink.count() for sink in sinks)


def _cpu_s(sinks: Sequence[PostfixSink]) -> float:
    return sum(sink.cpu_s() for sink in sinks)


def ratio(case: dict[str, list[Run]], peers: Sequence[str]) -> float:
    """Return the median of the ratios to the fastest of the peers in each round, since other load varies by round."""
    fastest = [
        max(run.rate for run in row) for row in zip(*(case[p] for p in peers if p in case), strict=True)
    ]
    return float(statistics.median(run.rate / peer for run, peer in zip(case[OURS], fastest, strict=True)))


def median(runs: Sequence[Run], field: str) -> float:
    return float(statistics.median(getattr(run, field) for run in runs))


def table(runs: Runs, ratios: dict[Case, dict[str, float]]) -> None:
    """Print the rates, the CPU, and the ratios of ours."""
    _print_rows("messages/s, median", runs, lambda one: f"{median(one, 'rate'):,.0f}")
    # with a round trip, there are too few messages for the sinks' CPU clock
    busy = {case: clients for case, clients in runs.items() if not case.delay_ms}
    cpu = "CPU µs/message + sinks"
    _print_rows(cpu, busy, lambda one: f"{median(one, 'cpu_us'):.1f} + {median(one, 'sinks_us'):.1f}")
    print(
        f"{'ours':30}{'x smtp-source -d':>18}{'x aiosmtplib':>14}{'x on asyncio':>14}{'sink':>7}{'sink max':>10}"
    )
    for case, clients in runs.items():
        shown = [f"{ratios[case][peer]:.2f}" if peer in ratios[case] else "" for peer in (*PEERS, THEIRS[1])]
        sink = sink_load(clients[OURS], case.sinks) if case in busy else ""
        print(f"{case!s:30}{shown[0]:>18}{shown[1]:>14}{shown[2]:>14}{sink}")


def _print_rows(title: str, runs: Runs, cell: Callable[[Sequence[Run]], str]) -> None:
    print(f"{title:30}" + "".join(f"{client:>21}" for client in CLIENTS))
    for case, clients in runs.items():
        cells = (cell(clients[client]) if client in clients else "" for client in CLIENTS)
        print(f"{case!s:30}" + "".join(f"{text:>21}" for text in cells))
    print()


def sink_load(runs: Sequence[Run], sinks: int) -> str:
    """Return the cells of the sinks: the share of a core that each used, and the maximal rate of all."""
    sink_us = median(runs, "sinks_us") / sinks
    share = median(runs, "rate") * sink_us / 1e6
    return f"{share:>7.0%}{1e6 / sink_us:>10,.0f}{'  limited by the sink' if share > 0.9 else ''}"


def ratios_of(case: dict[str, list[Run]]) -> dict[str, float]:
    ratios = {SOURCE: ratio(case, (SOURCE,)), PEERS[1]: ratio(case, THEIRS)}
    return ratios | ({THEIRS[1]: ratio(case, THEIRS[1:])} if THEIRS[1] in case else {})


def medians(runs: Runs, field: str) -> dict[str, dict[str, float]]:
    """Return the median of a field by client and case."""
    return {
        client: {
            str(case): round(median(clients[client], field), 1)
            for case, clients in runs.items()
            if client in clients
        }
        for client in CLIENTS
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sinks", type=int, default=2, help="sinks of the case with several: 2 to 10")
    options = parser.parse_args()
    if not 2 <= options.sinks <= 10:
        parser.error("--sinks: 2 to 10")
    runs, lost, duplicates = measure(options.rounds, options.sinks)
    missing, repeated = count_by_message_id(20_000)
    ratios = {case: ratios_of(clients) for case, clients in runs.items()}
    table(runs, ratios)
    rounds = {
        str(case): {c: [[round(value, 1) for value in run] for run in clients[c]] for c in clients}
        for case, clients in runs.items()
    }
    print(f"\neach round (messages/s, CPU µs, sinks' CPU µs): {json.dumps(rounds)}")
    rates = medians(runs, "rate")
    line = {
        "bench": "smtp",
        "unit": "per_s",
        "ours": rates.pop(OURS),
        "against": rates,
        "ratios": {str(case): {peer: round(x, 2) for peer, x in row.items()} for case, row in ratios.items()},
        "cpu_us": medians(runs, "cpu_us"),
        "sinks_cpu_us": medians(runs, "sinks_us"),
        "lost": lost + missing,
        "duplicates": duplicates + repeated,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
