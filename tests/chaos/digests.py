"""Mail that is put into digests, while workers are killed and stopped between the steps of a digest."""

import asyncio
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.settings import templates_directory
from tests.chaos.environment import ChaosEnvironment
from tests.chaos.pauses import state_of
from tests.chaos.scenario import Act, VariablesFactory
from tests.support.wait import eventually

WAIT_S = 3
"""How long a window is open."""
_WON = re.compile(r"(?<=\[winner\]\n)(?:[^\[].*\n)+")
_STOP_TIMEOUT_S = 120
_CONTINUED_S = 5.0  # it claims, sends or finishes what it had


def with_digests(wait_s: int = WAIT_S, rules: str = "") -> VariablesFactory:
    """Return a factory of templates whose type `winner` is put into digests, with more lines of its table.

    Each item has a line of its own, so that all can be counted. The lane is that of most types, in which mail waits.
    """

    def write(folder: Path) -> Mapping[str, str]:
        templates = folder / "templates"
        shutil.copytree(templates_directory(), templates)
        catalogue = templates / "catalogue" / "auction.toml"
        text = catalogue.read_text()
        declared = _WON.search(text)
        assert declared is not None, "the catalogue has no type `winner`"
        kept = [line for line in declared[0].splitlines() if not line.startswith(("lane", "digest"))]
        digest = f'digest = {{ group = "won", key = "{{lot_id}}", wait = {wait_s}, most = 100 }}'
        table = "\n".join([*kept, digest, rules, ""])
        catalogue.write_text(text[: declared.start()] + table + "\n" + text[declared.end() :])
        return {"TOCSIN_TEMPLATES__DIRECTORY": str(templates)}

    return write


def stopped_at(point: str, settle_s: float = 240.0, **worker: Any) -> Act:
    """Return an act in which a worker stops at a point of a digest, and continues when another one has sent it.

    Both have the record of the same digest then, and nothing may come twice. Items that come meanwhile are sent, too.
    """

    async def act(environment: ChaosEnvironment) -> None:
        first = environment.pipeline.start_worker(TOCSIN_FAULT_AT=f"{point}:1:stop", **worker)
        await environment.publish_load(100, rate_per_s=100)
        await eventually(
            lambda: state_of(first.pid) == "T", _STOP_TIMEOUT_S, lambda: f"{point} was never passed"
        )
        environment.pipeline.start_worker(**worker)
        await environment.publish_load(100, rate_per_s=100)
        await environment.count_claims()
        await environment.wait_until_settled(environment.published, settle_s)
        count = environment.mail_count()
        first.send_signal(signal.SIGCONT)
        environment.end_fault()
        await asyncio.sleep(_CONTINUED_S)
        environment.note = f"{environment.mail_count() - count} messages after it continued"

    return act
