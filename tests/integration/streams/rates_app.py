"""A worker with the rates agent only; it writes what it has counted to a file, for a test to read."""

import os
from pathlib import Path

import orjson

from streams.kafka.connection import KafkaConnection
from streams.shells.faust_app import FaustOptions, build_app

_directory = Path(os.environ["RIG_DATA"])
app = build_app(
    FaustOptions(
        KafkaConnection(os.environ["RIG_BOOTSTRAP"]),
        prefix=os.environ["RIG_PREFIX"],
        rates=True,
        partitions=2,
        data=_directory,
    )
)


@app.timer(0.2)
async def show() -> None:
    """Write the rates, whole or not at all."""
    assert app.rates is not None
    rates = {f"{state}/{type_}": count for (state, type_), count in app.rates.last_minute().items()}
    (_directory / "rates.new").write_bytes(orjson.dumps(rates))
    (_directory / "rates.new").rename(_directory / "rates.json")
