"""A worker of one stage for tests that must kill a process: it passes records on, slowly on request."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from service.model.record import Done, Record
from streams.shells.faust_app import FaustOptions, build_app, host
from streams.worker.stages import StageSpec, WorkerOptions, build_stages
from tests.integration.streams.rig import QUICK, Rig

_rig = Rig(os.environ["RIG_BOOTSTRAP"])
_name = os.environ["RIG_NAME"]
_rig.name = _name
_rig.source, _rig.sink, _rig.dead = f"{_name}.source", f"{_name}.sink", f"{_name}.dead"
_DELAY = float(os.environ.get("RIG_DELAY", "0"))
_STUCK = os.environ.get("RIG_STUCK", "").encode()


async def handle(records: Sequence[Record]) -> AsyncIterator[Done]:
    """Ten records at a time after a delay; the one that is stuck last, and after an hour."""
    stuck = [record for record in records if record.value == _STUCK]
    others = [record for record in records if record.value != _STUCK]
    for start in range(0, len(others), 10):
        await asyncio.sleep(_DELAY)
        some = others[start : start + 10]
        yield Done(some, [_rig.on(record) for record in some])
    if stuck:
        await asyncio.sleep(3600)


app = build_app(
    FaustOptions(_rig.connection, data=Path(os.environ.get("RIG_DATA", "/tmp")) / str(os.getpid()))
)
host(
    app,
    build_stages(
        WorkerOptions(_rig.connection, fault_at=os.environ.get("RIG_FAULT", "")),
        [StageSpec(_name, [_rig.source], lambda: handle, _rig.dead_letter, QUICK)],
    ),
)
