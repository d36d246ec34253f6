"""Rates of SMTP clients: Tocsin's engine, aiosmtplib's `sendmail`, Postfix's `smtp-source -d`, into one smtp-sink.

Messages of 5 kB; 1 and 10 connections; 0 and 20 ms of added round trip. The rounds interleave the clients, since the
speed of the machine varies; rates and ratios are medians over the rounds. Tocsin's engine (`ours`) runs on uvloop, as
in a worker, and on asyncio's own loop. So does aiosmtplib, which is mostly run on the latter: `x aiosmtplib` is the
ratio to the faster of its two in each round. All Python clients collect garbage as a worker does. `sink` is the share
of a core that smtp-sink used while ours sent, and `sink max` the rate that it could accept if it never waited: near
100 % no client could be much faster. `lost` and `duplicates` are counted by the sinks.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from bench.postfix import PostfixSink, running, smtp_source

TIMEOUT_S = 120  # a client that takes longer hangs
OURS, OURS_SLOW, SOURCE = "ours", "ours (asyncio)", "smtp-source -d"
THEIRS = ("aiosmtplib (uvloop)", "aiosmtplib (asyncio)")
PEERS = (SOURCE, "aiosmtplib")  # the second: the faster of its two
CLIENTS = (OURS, OURS_SLOW, SOURCE, *THEIRS)
# (connections, added round trip in ms): messages of each client; with a round trip the event loop makes no difference
CASES: dict[tuple[int, int], dict[str, int]] = {
    (10, 0): dict(zip(CLIENTS, (30_000, 15_000, 30_000, 6_000, 4_000), strict=True)),
    (1, 0): dict(zip(CLIENTS, (12_000, 6_000, 6_000, 2_500, 1_500), strict=True)),
    (10, 20): {OURS: 1_200, SOURCE: 250, THEIRS[0]: 250},
    (1, 20): {OURS: 120, SOURCE: 25, THEIRS[0]: 25},
}


class Run(NamedTuple):
    """One client in one round: messages per second, its CPU in µs per message (0: not measured), and the sink's."""

    rate: float
    cpu_us: float
    sink_us: float


Runs = dict[str, dict[str, list[Run]]]  # by case, by client


def python(module: str, *arguments: object, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


def send(client: str, port: int, connections: int, mails: int) -> tuple[int, float, float]:
    """Run a client; return the messages accepted, the seconds, and the CPU in µs per message."""
    if client == SOURCE:
        return mails, smtp_source(port, connections, mails, TIMEOUT_S), 0.0
    loop = "asyncio" if "asyncio" in client else "uvloop"
    process = python("bench.smtp_clients", client.partition(" ")[0], loop, port, connections, mails)
    result = json.loads(process.communicate(timeout=TIMEOUT_S)[0])
    return result["accepted"], result["seconds"], result["cpu_us"]


def count_by_message_id(mails: int) -> tuple[int, int]:
    """Return (lost, duplicates) of ours over 10 connections, by Message-ID, at a sink that records them all."""
    with running(python("bench.counting_sink", stdin=subprocess.PIPE)) as sink:
        assert sink.stdout is not None
        accepted, _, _ = send(OURS, int(sink.stdout.readline()), 10, mails)
        counted = json.loads(sink.communicate(input="")[0])
    return accepted - counted["distinct"], counted["doubled"]


def measure(rounds: int) -> tuple[Runs, int, int]:
    """Return all runs, and the messages lost and duplicated by the sink's counter."""
    runs: Runs = {}
    lost = duplicates = 0
    with ExitStack() as stack:
        sink = PostfixSink(stack)
        ports = {0: sink.port}
        proxy = stack.enter_context(running(python("bench.delay_proxy", sink.port, 0.020)))
        assert proxy.stdout is not None
        ports[20] = int(proxy.stdout.readline())
        for _ in range(rounds):
            for (connections, delay), sizes in CASES.items():
                case = runs.setdefault(f"{connections} connection{'s' * (connections > 1)}, {delay} ms", {})
                for client, size in sizes.items():
                    before, cpu_before_s = sink.count(), sink.cpu_s()
                    accepted, elapsed_s, cpu_us = send(client, ports[delay], connections, size)
                    difference = accepted - (sink.count() - before)
                    run = Run(accepted / elapsed_s, cpu_us, (sink.cpu_s() - cpu_before_s) / size * 1e6)
                    case.setdefault(client, []).append(run)
                    if client in (OURS, OURS_SLOW):
                        lost, duplicates = lost + max(0, difference), duplicates + max(0, -difference)
    return runs, lost, duplicates


def ratio(case: dict[str, list[Run]], peers: Sequence[str]) -> float:
    """Return the median of the ratios to the fastest of the peers in each round, since other load varies by round."""
    fastest = [
        max(run.rate for run in row) for row in zip(*(case[p] for p in peers if p in case), strict=True)
    ]
    return float(statistics.median(run.rate / peer for run, peer in zip(case[OURS], fastest, strict=True)))


def median(runs: Sequence[Run], field: str) -> float:
    return float(statistics.median(getattr(run, field) for run in runs))


def table(runs: Runs, ratios: dict[str, dict[str, float]]) -> None:
    """Print the rates, then the ratios of ours."""
    print(f"{'messages/s, median':23}" + "".join(f"{client:>21}" for client in CLIENTS))
    for case, clients in runs.items():
        cells = (f"{median(clients[c], 'rate'):,.0f}" if c in clients else "" for c in CLIENTS)
        print(f"{case:23}" + "".join(f"{cell:>21}" for cell in cells))
    print(
        f"\n{'ours':23}{'x smtp-source -d':>18}{'x aiosmtplib':>14}{'x on asyncio':>14}"
        f"{'CPU µs/message':>15}{'sink':>7}{'sink max':>10}"
    )
    for case, clients in runs.items():
        shown = [f"{ratios[case][peer]:.2f}" if peer in ratios[case] else "" for peer in (*PEERS, THEIRS[1])]
        # with a round trip, there are too few messages for the sink's CPU clock
        sink = sink_load(clients[OURS]) if THEIRS[1] in clients else ""
        cpu_us = median(clients[OURS], "cpu_us")
        print(f"{case:23}{shown[0]:>18}{shown[1]:>14}{shown[2]:>14}{cpu_us:>15.1f}{sink}")


def sink_load(runs: Sequence[Run]) -> str:
    """Return the cells of the sink: the share of a core that it used, and its maximal rate."""
    sink_us = median(runs, "sink_us")
    share = median(runs, "rate") * sink_us / 1e6
    return f"{share:>7.0%}{1e6 / sink_us:>10,.0f}{'  limited by the sink' if share > 0.9 else ''}"


def ratios_of(case: dict[str, list[Run]]) -> dict[str, float]:
    ratios = {SOURCE: ratio(case, (SOURCE,)), PEERS[1]: ratio(case, THEIRS)}
    return ratios | ({THEIRS[1]: ratio(case, THEIRS[1:])} if THEIRS[1] in case else {})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    runs, lost, duplicates = measure(parser.parse_args().rounds)
    missing, repeated = count_by_message_id(20_000)
    ratios = {case: ratios_of(clients) for case, clients in runs.items()}
    table(runs, ratios)
    rounds = {
        case: {c: [round(run.rate, 1) for run in clients[c]] for c in clients}
        for case, clients in runs.items()
    }
    print(f"\neach round: {json.dumps(rounds)}")
    rates = {c: {case: round(median(f[c], "rate"), 1) for case, f in runs.items() if c in f} for c in CLIENTS}
    line = {"bench": "smtp", "unit": "per_s", "ours": rates.pop(OURS), "against": rates}
    shown = {case: {peer: round(value, 2) for peer, value in row.items()} for case, row in ratios.items()}
    print(json.dumps({**line, "ratios": shown, "lost": lost + missing, "duplicates": duplicates + repeated}))


if __name__ == "__main__":
    main()
