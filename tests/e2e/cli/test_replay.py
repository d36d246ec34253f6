"""`tocsin replay` on a real pipeline: a bounced delivery is sent after its address is corrected, and no other one."""

import pytest

from service.model.operation import Operation, OperationPhase
from service.model.reasons import Reason
from service.model.recipient import Recipient
from tests.support.real_pipeline import RealPipeline
from tests.support.wait import eventually


@pytest.mark.timeout(180)
async def test_a_corrected_address_is_sent_once() -> None:
    """Dry run, confirmation, replay in the bulk lane; then nothing is left; `--again` repeats the same message."""
    async with RealPipeline(partitions=2) as pipeline:
        bob = Recipient(id="bob", address="bounced@simulator.test", roles=("user",), version=2)
        await pipeline.parts.writes.put_recipients([bob])
        pipeline.start_worker()
        event = {
            "id": "1",
            "source": "/e2e",
            "type": "overbid",
            "recipients": ["alice", "bob"],
            "data": {"lot_id": "9"},
        }
        await pipeline.publish(event)
        await pipeline.wait_until_finished("/e2e", "1")
        await eventually(lambda: _has_outcome(pipeline, "bounced"), 60)

        code, rows, output = await pipeline.tocsin("replay", "--event", "1", "--dry-run", "--json")
        assert (code, rows) == (
            0, [{"state": "bounced", "reason": "mailbox_unknown", "channel": "email", "deliveries": 1}],
        ), output  # fmt: skip
        assert "already sent or delivered, skipped" in output
        code, _, output = await pipeline.tocsin("replay", "--reply-code", "5.1.1", stdin=b"n\n")
        assert (code, "nothing was done" in output) == (1, True)
        code, _, output = await pipeline.tocsin("replay", "--reply-code", "451", "--yes")
        assert (code, "0 deliveries would be replayed" in output) == (0, True)
        code, _, output = await pipeline.tocsin("replay", "--state", "withdrawn")
        assert (code, "cannot be replayed" in output) == (2, True)

        corrected = bob.model_copy(update={"address": "bob.new@example.com", "version": 3})
        await pipeline.parts.writes.put_recipients([corrected])
        code, (done,), output = await pipeline.tocsin(
            "replay", "--state", "bounced", "--yes", "--rate", "10", "--json"
        )
        assert (code, done) == (0, {"replayed": 1}), output
        await eventually(lambda: _mailed(pipeline, "bob.new@example.com", 1), 60)
        await pipeline.wait_until_finished("/e2e", "1")
        assert len(await pipeline.read(pipeline.parts.topics.email("bulk"))) == 1  # type: ignore[arg-type]
        queued = next(o for o in await pipeline.outcomes() if o.reason is Reason.replayed)
        (begun, ended) = [
            Operation.from_bytes(v) for v, _ in await pipeline.read(pipeline.parts.topics.audit)
        ]
        assert (begun.phase, ended.phase, ended.counts) == (
            OperationPhase.begun,
            OperationPhase.ended,
            {"replayed": 1},
        )
        assert queued.detail == f"replayed by {ended.who}, {ended.id}"

        code, (done,), output = await pipeline.tocsin(
            "replay", "--recipient", "alice", "--channel", "email", "--again", "--yes", "--json"
        )
        assert (code, done) == (0, {"replayed": 1}), output
        await eventually(lambda: _mailed(pipeline, "alice@example.com", 2), 60)
        # carol, bob; alice twice with one Message-ID
        assert sorted(pipeline.mail_counts().values()) == [1, 1, 2]


async def _has_outcome(pipeline: RealPipeline, state: str) -> bool:
    return any(o.state.value == state for o in await pipeline.outcomes())


async def _mailed(pipeline: RealPipeline, address: str, times: int) -> bool:
    return sum(n for (to, _), n in pipeline.mail_counts().items() if to == address) == times
