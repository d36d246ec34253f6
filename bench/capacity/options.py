"""The command line: what is measured, and the demand that the machines are for."""

import argparse
from collections.abc import Mapping

from bench.capacity.mixes import DEFAULT_SHARES, MIXES
from bench.capacity.model import (
    ACTIVE_DAYS,
    PEAK_FACTOR,
    RECIPIENT_DELIVERIES_A_DAY,
    RELAY_S,
    UTILISATION,
    Demand,
    Retention,
    Waiting,
)

SIZES = (1e6, 1e8, 1e9)


def parse(description: str) -> argparse.Namespace:
    """Return the options. Exit with a message where one is wrong."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    measure = parser.add_argument_group("measurement")
    measure.add_argument("--deliveries", type=int, default=20_000, help="of one round of one mix")
    measure.add_argument("--rounds", type=int, default=3, help="of each mix")
    measure.add_argument("--partitions", type=int, default=6, help="of each topic")
    measure.add_argument("--compression", default="producer", help="compression.type of the dispatch topics")
    measure.add_argument("--check", action="store_true", help="measure two mixtures too, beside predictions")
    measure.add_argument("--save", action="store_true", help="write bench/capacity/figures.json")
    measure.add_argument("--saved", action="store_true", help="measure nothing: take that file")
    demand = parser.add_argument_group("demand")
    demand.add_argument("--day", type=float, nargs="+", default=SIZES, help="deliveries a day")
    demand.add_argument(
        "--shares", type=_shares, default=DEFAULT_SHARES, help="of the mixes: inbox=0.4,email=0.6"
    )
    demand.add_argument("--peak-factor", type=float, default=PEAK_FACTOR, help="busiest hour / mean hour")
    demand.add_argument("--utilisation", type=float, default=UTILISATION, help="of a core, in that hour")
    demand.add_argument(
        "--recipient-deliveries", type=float, default=RECIPIENT_DELIVERIES_A_DAY, help="of a recipient a day"
    )
    demand.add_argument("--active-days", type=float, default=ACTIVE_DAYS, help="of a recipient")
    demand.add_argument(
        "--ledger-days", type=float, default=Retention().ledger_days, help="`retention` of the types"
    )
    demand.add_argument(
        "--inbox-days", type=float, default=Retention().inbox_days, help="`inbox_ttl` of the types"
    )
    demand.add_argument(
        "--relay-s", type=float, default=RELAY_S, help="of a message on a connection to a relay"
    )
    demand.add_argument("--held", type=float, default=0.0, help="of mail: the share that waits alone")
    demand.add_argument("--held-days", type=float, default=Waiting().alone_days, help="for how long")
    demand.add_argument("--digested", type=float, default=0.0, help="of mail: the share that is in digests")
    demand.add_argument("--digest-days", type=float, default=Waiting().digest_days, help="between digests")
    demand.add_argument(
        "--digest-items", type=float, default=Waiting().digest_items, help="of a digest, in the mean"
    )
    demand.add_argument("--no-dkim", action="store_true", help="mail is not signed")
    return parser.parse_args()


def demand_of(options: argparse.Namespace, day: float) -> Demand:
    """Return the demand of so many deliveries a day."""
    return Demand(
        day,
        options.shares,
        peak_factor=options.peak_factor,
        recipient_deliveries_a_day=options.recipient_deliveries,
        active_days=options.active_days,
        relay_s=options.relay_s,
        utilisation=options.utilisation,
        retention=Retention(ledger_days=options.ledger_days, inbox_days=options.inbox_days),
        waiting=Waiting(
            options.held, options.held_days, options.digested, options.digest_days, options.digest_items
        ),
        dkim=not options.no_dkim,
    )


def _shares(text: str) -> Mapping[str, float]:
    """Return the shares of the mixes, scaled to the sum 1."""
    shares = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        if name not in MIXES:
            raise argparse.ArgumentTypeError(f"{name}: not one of {', '.join(MIXES)}")
        shares[name] = float(share)
    return {name: share / sum(shares.values()) for name, share in shares.items()}
