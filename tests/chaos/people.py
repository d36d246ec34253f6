"""People who move, turn a type off, or go, while events for them are on their way."""

from collections.abc import Sequence

from service.model.recipient import Choice, Recipient, preference_key
from tests.chaos.environment import World

_EACH = 10


async def changes(world: World) -> None:
    """An address, a preference and a recipient change in mid-load: from then on nobody hears by the old state."""
    writer = world.line.parts.table_writer(world.line.producer)
    rows = {name: Recipient(id=name, address=f"{name}@chaos.test") for name in ("moved", "quiet", "gone")}
    for name, row in rows.items():
        await writer.recipient(name, lambda _, row=row: row)  # type: ignore[misc]
    world.line.start_worker()
    async with world.flow(20):
        for name in rows:
            await _hear(world, name, [f"{name}@chaos.test"])
        off = {preference_key("winner", channel): Choice(on=False) for channel in ("email", "inbox")}
        await writer.recipient(
            "moved", lambda _: rows["moved"].model_copy(update={"address": "new@chaos.test"})
        )
        await writer.recipient("quiet", lambda _: rows["quiet"].model_copy(update={"preferences": off}))
        assert await writer.drop_recipient("gone")
        world.healed()
        for name, addresses in (("moved", ["new@chaos.test"]), ("quiet", []), ("gone", [])):
            await _hear(world, name, addresses)


async def _hear(world: World, name: str, addresses: Sequence[str]) -> None:
    """Events for one of them; wait until they have come to their end."""
    events = [world.unexpected(recipients=[name]) for _ in range(_EACH)]
    ids = [event["id"] for event in events]
    world.expected.mails |= {(event_id, address) for event_id in ids for address in addresses}
    await world.publish(events)
    await world.settled(ids, 240)
