"""The table of scenarios. The references are those of docs/reliability.md."""

from collections.abc import Mapping

from streams.faults.points import POINTS as STAGE_POINTS
from streams.faults.ports import POINTS as HANDLER_POINTS
from tests.chaos import clock, inputs, kills, outages, people, planted, relay, servers, versions
from tests.chaos.environment import CONNECTIONS
from tests.chaos.network import answers_held, before_the_broker, between, cut, half_open, requests_held
from tests.chaos.scenario import Act, Scenario

_BROKER = servers.kafka()
_REDIS = servers.valkey()
_QUICK_BROKER = servers.kafka("group.min.session.timeout.ms=1000")

_LED = {
    "after_revoke_before_drain": kills.a_second_joins,
    "after_drain_before_leave": kills.terminate,
    "after_due.add_before_mark": kills.defer_somebody,
    "after_due.take_before_produce": kills.defer_somebody,
}
"""Points that load alone does not pass."""
_PASSED = {"after_250_before_mark": 40, "after_revoke_before_drain": 6}
"""Which time the worker dies there, where it is not the first: five groups are joined with nothing to revoke."""

_OWN: Mapping[str, Act] = {"after_poison_before_produce": kills.over_poison}
"""Points that take more than a kill."""


def _kill_at(point: str) -> Scenario:
    act = _OWN.get(point) or kills.kill_at(point, _PASSED.get(point, 1), _LED.get(point))
    return Scenario(f"kill -9 {point}", "F1 F2", act, points=frozenset({point}))


KILL_POINTS = [_kill_at(point) for point in (*HANDLER_POINTS, *STAGE_POINTS)]
LONG = [
    Scenario(
        "kill -9 at 200 random times, four workers", "F1 F2", kills.many_kills(200), servers=_QUICK_BROKER
    )
]
WORKERS = [
    Scenario("no fault", "-", kills.plain),
    Scenario("SIGTERM in mid-load", "F3", kills.sigterm),
    Scenario("kill -9 at random times, two workers", "F1 F2", kills.random_kills(6)),
    Scenario("workers join and leave", "F5", kills.rebalance_storm),
    Scenario("rolling upgrade, and back", "F22", versions.rolling_upgrade),
    Scenario("clock jumps 2 h on, 1 h back", "F16", clock.jumps),
]
SERVERS = [
    Scenario("Redis stopped, 30 s away", "F6", outages.redis_away(clean=True), servers=_REDIS),
    Scenario("Redis killed, 30 s away", "F6", outages.redis_away(clean=False), servers=_REDIS),
    Scenario("Redis wiped, rebuilt", "F7", outages.redis_wiped, servers=_REDIS),
    Scenario("Redis out of memory, then read-only", "F8", outages.redis_refuses_writes, servers=_REDIS),
    Scenario("Redis 200 ms slow", "F8", outages.redis_slow),
    Scenario("Redis loading", "F8", outages.redis_loads, servers=servers.valkey("--key-load-delay", "100")),
    Scenario("Redis' disk full", "F15", outages.redis_disk_full, servers=servers.valkey(disk_mb=64)),
    Scenario("broker stopped, 30 s away", "F4", outages.broker_away(clean=True), servers=_BROKER),
    Scenario("broker killed, 30 s away", "F4", outages.broker_away(clean=False), servers=_BROKER),
    Scenario("broker's disk full", "F15", outages.broker_disk_full, servers=servers.kafka(disk_mb=160)),
    Scenario("relay refuses and breaks off", "F9 F12 F13", relay.relay_troubles),
]
NETWORK = [
    Scenario("network to the relay cut", "F14", between("relay", cut), CONNECTIONS),
    Scenario(
        "network to the relay half-open", "F11 F14", between("relay", half_open, then_cut=True), CONNECTIONS
    ),
    Scenario("network to Redis cut", "F14", between("Redis", cut)),
    Scenario("network to Redis half-open", "F14", between("Redis", half_open, then_cut=True)),
    *(
        Scenario(
            f"network to the broker {words}, 30 s",
            "F14",
            before_the_broker(way, others=others),
            servers=servers.proxied_kafka,
        )
        for words, way, others in (
            ("cut", cut, 0),
            ("half-open", half_open, 1),
            ("half-open, answers held", answers_held, 1),
            ("half-open, requests held", requests_held, 1),
        )
    ),
]
INPUTS = [
    Scenario("poison, oversize, repeats, disorder", "F17 F18 F19", inputs.poison_and_repeats),
    Scenario("dead-letter topic refuses", "F20", inputs.dead_letters_refused),
    Scenario("people change in mid-load", "F21", people.changes),
]
PLANTED = [
    Scenario("planted: commit one too far", "-", planted.commit_one_too_far, settle_s=20, planted=True)
]

ALL = [*LONG, *WORKERS, *SERVERS, *NETWORK, *INPUTS, *KILL_POINTS, *PLANTED]
_SHORT = (
    "SIGTERM in mid-load",
    "poison, oversize, repeats, disorder",
    "Redis out of memory, then read-only",
    "kill -9 after_250_before_mark",
    "kill -9 before_ledger.open",
    "kill -9 after_ledger.open",
    "kill -9 after_produce_before_finish",
)
SHORT = [scenario for scenario in ALL if scenario.name in _SHORT]
