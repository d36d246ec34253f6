"""An auction that notifies bidders who are overbid, with a transactional outbox in SQLite.

    python examples/auction.py bid 7 bob 120      # a bid, and its event, in one transaction
    python examples/auction.py relay              # publishes what is committed, until it is stopped

AUCTION_DB names the database; TOCSIN_URL and TOCSIN_KEY say where events go.
"""

import asyncio
import os
import sqlite3
import sys

from tocsin_client import event_id
from tocsin_client.http import HttpPublisher
from tocsin_client.outbox import Outbox
from tocsin_client.outbox_relay import OutboxRelay
from tocsin_client.types import Overbid

SOURCE = "/auctions"
OUTBOX = Outbox("sqlite")
TABLE = "CREATE TABLE IF NOT EXISTS bids (lot integer, bidder text, amount integer)"


def connect() -> sqlite3.Connection:
    """Return a connection to the database, whose tables exist."""
    connection = sqlite3.connect(os.environ.get("AUCTION_DB", "auction.db"))
    for statement in (TABLE, OUTBOX.ddl):
        connection.execute(statement)
    return connection


def bid(connection: sqlite3.Connection, lot: int, bidder: str, amount: int) -> None:
    """Record a bid; the bidder with the highest one before is notified. Both are committed, or neither."""
    with connection:
        highest = "SELECT bidder, amount FROM bids WHERE lot = ? ORDER BY amount DESC LIMIT 1"
        before = connection.execute(highest, (lot,)).fetchone()
        if before is not None and amount <= before[1]:
            raise ValueError(f"the highest bid is {before[1]}")
        connection.execute("INSERT INTO bids VALUES (?, ?, ?)", (lot, bidder, amount))
        if before is not None and before[0] != bidder:
            overbid = Overbid(
                id=event_id(SOURCE, "lot", lot, "bid", amount),
                source=SOURCE,
                recipients=[before[0]],
                actor=bidder,
                data={"lot_id": str(lot)},
            )
            OUTBOX.add(connection, overbid)


async def relay() -> None:
    """Publish what is committed."""
    url = os.environ.get("TOCSIN_URL", "http://127.0.0.1:8000")
    print("publishing what is in the outbox; Ctrl-C ends", flush=True)
    async with HttpPublisher(url, os.environ["TOCSIN_KEY"]) as publisher:
        await OutboxRelay(OUTBOX, connect, publisher, poll_s=0.2).run()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["bid", lot, bidder, amount]:
            bid(connect(), int(lot), bidder, int(amount))
        case ["relay"]:
            asyncio.run(relay())
        case _:
            sys.exit(__doc__)
