"""The table of scenarios. The references are those of docs/reliability.md."""

from collections.abc import Mapping

from streams.faults.points import POINTS as STAGE_POINTS
from streams.faults.ports import DIGEST_POINTS
from streams.faults.ports import POINTS as HANDLER_POINTS
from tests.chaos import (
    acceptance,
    brokers,
    clock,
    digests,
    failover,
    held,
    inputs,
    kills,
    outages,
    pauses,
    planted_faults,
    recipients,
    relay,
    servers,
    stale_redis,
    topics,
    versions,
    wide,
)
from tests.chaos.environment import CONNECTIONS
from tests.chaos.network import answers_held, before_the_broker, between, cut, half_open, requests_held
from tests.chaos.scenario import Act, Scenario

_BROKER = servers.kafka()
_REDIS = servers.valkey()
_PAIR = servers.replicated_valkey
_DIGESTS = digests.with_digests()
_QUICK_BROKER = servers.kafka("group.min.session.timeout.ms=1000")

_LEADS = {
    "after_revoke_before_drain": kills.join_second_worker,
    "after_drain_before_leave": kills.terminate_worker,
    "after_due.add_before_mark": kills.defer_one_message,
    "after_due.take_before_produce": kills.defer_one_message,
}
"""How a worker is brought to the points that load alone does not reach."""
_PASSES = {"after_250_before_mark": 40, "after_revoke_before_drain": 6}
"""The pass on which the worker dies, where it is not the first: five groups are joined with nothing to revoke."""

_ACTS: Mapping[str, Act] = {"after_failure_before_dead_letter": kills.kill_before_dead_letter}
"""Acts of the points that need more than a kill."""


def _kill_at(point: str) -> Scenario:
    act = _ACTS.get(point) or kills.kill_at(point, _PASSES.get(point, 1), _LEADS.get(point))
    variables = _DIGESTS if point in DIGEST_POINTS else None
    return Scenario(f"kill -9 {point}", "F1 F2", act, points=frozenset({point}), variables=variables)


KILL_POINTS = [_kill_at(point) for point in (*HANDLER_POINTS, *STAGE_POINTS)]
LONG = [
    Scenario(
        "kill -9 at 200 random times, four workers", "F1 F2", kills.many_kills(200), servers=_QUICK_BROKER
    ),
    Scenario(
        "10,000 events in hourly digests of 100 recipients",
        "F1 F2",
        acceptance.hourly_digests(10_000, 100, rate_per_s=60, kill_every_s=4),
        servers=_QUICK_BROKER,
        variables=_DIGESTS,
    ),
]
WORKERS = [
    Scenario("no fault", "-", kills.no_fault),
    Scenario("SIGTERM under load", "F3", kills.sigterm),
    Scenario("kill -9 at random times, two workers", "F1 F2", kills.random_kills(6)),
    Scenario("wide event, seven kills", "F1 F2", wide.wide_event(3, 4), servers=_QUICK_BROKER),
    Scenario("workers join and leave", "F5", kills.rebalance_storm),
    Scenario(
        "workers scaled from 1 to 4 to 1",
        "F5",
        kills.workers_scaled,
        servers=servers.scaled_out,
        partitions=8,
    ),
    Scenario("rolling upgrade, and back", "F22", versions.rolling_upgrade),
    Scenario("clock jumps 2 h ahead, 1 h back", "F16", clock.jumps),
]
PAUSES = [
    Scenario("email worker paused for 25 s", "F25", pauses.email_worker_paused()),
    Scenario("event loop blocked for 25 s", "F25", pauses.email_worker_paused(blocked=True)),
    Scenario("resolve worker paused for 25 s", "F25", pauses.worker_paused("resolve")),
    Scenario("inbox and tables worker paused for 25 s", "F25", pauses.worker_paused("resolve,inbox,tables")),
    Scenario("scheduler paused with leases for 40 s", "F25", pauses.scheduler_paused),
    Scenario("API paused for 25 s", "F25", pauses.api_paused),
    Scenario("broker paused for 25 s", "F25", pauses.server_paused("broker"), servers=_BROKER),
    Scenario("Redis paused for 25 s", "F25", pauses.server_paused("Redis"), servers=_REDIS),
    Scenario("SIGTERM, relay answers after 40 s", "F3", pauses.sigterm_with_slow_relay),
]
SERVERS = [
    Scenario("Redis stopped, down for 30 s", "F6", outages.redis_outage(clean=True), servers=_REDIS),
    Scenario("Redis killed, down for 30 s", "F6", outages.redis_outage(clean=False), servers=_REDIS),
    Scenario("Redis wiped, rebuilt", "F7", outages.redis_wiped, servers=_REDIS),
    Scenario(
        "Redis fails over, 5 s behind",
        "F6",
        stale_redis.stale_failover(killed=False),
        servers=servers.replicated_valkey,
    ),
    Scenario(
        "Redis killed, its replica 5 s behind",
        "F6",
        stale_redis.stale_failover(killed=True),
        servers=servers.replicated_valkey,
    ),
    Scenario(
        "primary of a Redis cluster killed, its replica 5 s behind",
        "F6",
        stale_redis.stale_cluster_failover,
        servers=servers.redis_cluster,
    ),
    Scenario("power failure of Redis, 5 s lost", "F6", stale_redis.power_failure, servers=_REDIS),
    Scenario("Redis out of memory, then read-only", "F8", outages.redis_refuses_writes, servers=_REDIS),
    Scenario("Redis 200 ms slow", "F8", outages.redis_slow),
    Scenario("Redis loading", "F8", outages.redis_loads, servers=servers.valkey("--key-load-delay", "100")),
    Scenario("Redis' disk full", "F15", outages.redis_disk_full, servers=servers.valkey(disk_mb=64)),
    Scenario("broker stopped, down for 30 s", "F4", outages.broker_outage(clean=True), servers=_BROKER),
    Scenario("broker killed, down for 30 s", "F4", outages.broker_outage(clean=False), servers=_BROKER),
    Scenario(
        "each of three brokers stopped in turn",
        "F4",
        brokers.brokers_in_turn(clean=True),
        servers=servers.kafka_cluster,
    ),
    Scenario(
        "each of three brokers killed in turn",
        "F4",
        brokers.brokers_in_turn(clean=False),
        servers=servers.kafka_cluster,
    ),
    Scenario("leaders of all partitions moved", "F4", brokers.leaders_moved, servers=servers.kafka_cluster),
    Scenario("broker's disk full", "F15", outages.broker_disk_full, servers=servers.kafka(disk_mb=160)),
    Scenario("relay refuses and breaks off", "F9 F12 F13", relay.relay_faults),
]
FAILOVER = [
    Scenario(
        "Redis fails over, connections survive",
        "F6",
        failover.connections_survive,
        servers=servers.redis_pair,
    ),
    Scenario("Redis fails over by sentinels", "F6", failover.by_sentinels, servers=servers.redis_sentinels),
    Scenario(
        "primary of a Redis cluster killed",
        "F6",
        failover.primary_of_cluster_killed,
        servers=servers.redis_cluster,
    ),
    Scenario("slots of a Redis cluster moved", "F6", failover.slots_moved, servers=servers.redis_cluster),
    Scenario("Redis closes idle connections", "F6", failover.idle_connections_closed, servers=_REDIS),
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
            f"network to the broker {description}, 30 s",
            "F14",
            before_the_broker(fault, others=others),
            servers=servers.proxied_kafka,
        )
        for description, fault, others in (
            ("cut", cut, 0),
            ("half-open", half_open, 1),
            ("half-open, answers held", answers_held, 1),
            ("half-open, requests held", requests_held, 1),
        )
    ),
]
INPUTS = [
    Scenario(
        "bad, oversized, repeated and unordered records", "F17 F18 F19", inputs.bad_and_repeated_records
    ),
    Scenario("dead-letter topic refuses", "F20", inputs.dead_letters_refused),
    Scenario("recipients change under load", "F21", recipients.change_recipients),
    Scenario("partitions added under load", "F23", topics.partitions_added, partitions=2),
    Scenario("events deleted and recreated", "F23", topics.events_recreated),
    Scenario("compression bombs beside events", "F24", topics.compression_bombs),
]
DIGESTS = [
    Scenario(
        "hourly digests, a few kills",
        "F1 F2",
        acceptance.hourly_digests(400, 20, rate_per_s=60, kill_every_s=2.5),
        servers=_QUICK_BROKER,
        variables=_DIGESTS,
    ),
    Scenario(
        "kill -9 after_250_before_mark, digests",
        "F1 F2",
        kills.kill_at("after_250_before_mark", 3),
        variables=_DIGESTS,
    ),
    *(
        Scenario(f"stopped {point}, digests", "F25", digests.stopped_at(point), variables=_DIGESTS)
        for point in (
            "after_windows.seal_before_claim",
            "after_digested_before_claim",
            "before_windows.remove",
        )
    ),
    Scenario("Redis wiped, rebuilt, digests", "F7", held.redis_wiped, servers=_REDIS, variables=_DIGESTS),
    Scenario(
        "Redis killed, its replica 5 s behind, digests",
        "F6",
        stale_redis.stale_failover_with_digests,
        servers=_PAIR,
        variables=_DIGESTS,
    ),
    Scenario("clock jumps past quiet hours and back", "F16", held.quiet_hours_jump, variables=_DIGESTS),
    Scenario("items released and retimed, digests", "-", held.operators_change, variables=_DIGESTS),
    Scenario("digests and later items in one batch", "F1", held.digests_with_later_items, variables=_DIGESTS),
    Scenario("items withdrawn that opened windows", "F1", held.opening_items_withdrawn, variables=_DIGESTS),
    Scenario("items withdrawn before the claim", "F25", held.withdrawn_while_closing, variables=_DIGESTS),
    Scenario("items withdrawn while digests are sent", "-", held.withdrawn_while_sent, variables=_DIGESTS),
    Scenario("limits, four workers, three hours", "F16", held.limits),
]
PLANTED = [
    Scenario(
        "planted: commit one too far", "-", planted_faults.commit_one_too_far, settle_s=20, planted="lost"
    ),
    Scenario(
        "planted: items unclaimed",
        "-",
        planted_faults.items_unclaimed,
        planted="wrong_recipients",
        variables=_DIGESTS,
    ),
    Scenario(
        "planted: window unsealed",
        "-",
        planted_faults.window_unsealed,
        settle_s=20,
        planted="lost",
        variables=_DIGESTS,
    ),
    Scenario("planted: limit ignored", "-", planted_faults.limit_ignored, settle_s=5, planted="over_limit"),
]

ALL = [*LONG, *WORKERS, *PAUSES, *SERVERS, *FAILOVER, *NETWORK, *INPUTS, *KILL_POINTS, *DIGESTS, *PLANTED]
_SHORT = (
    "SIGTERM under load",
    "bad, oversized, repeated and unordered records",
    "Redis out of memory, then read-only",
    "kill -9 after_250_before_mark",
    "kill -9 before_ledger.open",
    "kill -9 after_ledger.open",
    "kill -9 after_produce_before_finish",
    "hourly digests, a few kills",
)
SHORT = [scenario for scenario in ALL if scenario.name in _SHORT]
