"""Recipients that change their address, switch a type off, or are deleted, while events for them are in progress."""

from collections.abc import Sequence

from service.model.recipient import Choice, Recipient, preference_key
from tests.chaos.environment import ChaosEnvironment

_EVENTS_EACH = 10


async def change_recipients(environment: ChaosEnvironment) -> None:
    """Change an address, a preference and a recipient under load: later events must follow the new rows."""
    writer = environment.pipeline.parts.table_writer(environment.pipeline.producer)
    rows = {name: Recipient(id=name, address=f"{name}@chaos.test") for name in ("moved", "quiet", "gone")}
    for name, row in rows.items():
        await writer.recipient(name, lambda _, row=row: row)  # type: ignore[misc]
    environment.pipeline.start_worker()
    async with environment.continuous_load(20):
        for name in rows:
            await _notify(environment, name, [f"{name}@chaos.test"])
        off = {preference_key("winner", channel): Choice(on=False) for channel in ("email", "inbox")}
        await writer.recipient(
            "moved", lambda _: rows["moved"].model_copy(update={"address": "new@chaos.test"})
        )
        await writer.recipient("quiet", lambda _: rows["quiet"].model_copy(update={"preferences": off}))
        assert await writer.drop_recipient("gone")
        environment.end_fault()
        for name, addresses in (("moved", ["new@chaos.test"]), ("quiet", []), ("gone", [])):
            await _notify(environment, name, addresses)


async def _notify(environment: ChaosEnvironment, name: str, addresses: Sequence[str]) -> None:
    """Publish events for one recipient, expect them at these addresses, and wait until they are settled."""
    events = [environment.unexpected_event(recipients=[name]) for _ in range(_EVENTS_EACH)]
    ids = [event["id"] for event in events]
    environment.expected.mails |= {(event_id, address) for event_id in ids for address in addresses}
    await environment.publish(events)
    await environment.wait_until_settled(ids, 240)
