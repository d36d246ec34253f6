"""`tocsin dead-letters` on a real line: mended and sent back, or set aside; nothing is forgotten."""

import getpass

import pytest

from service.model.operation import Operation, Phase
from tests.line import Line, eventually


async def listed(line: Line, *filters: str) -> dict[str, str]:
    code, found, said = await line.tocsin("dead-letters", "list", "--json", *filters)
    assert code == 0, said
    return {letter["reason"]: letter["state"] for letter in found}


@pytest.mark.timeout(180)
async def test_listed_shown_redriven_and_discarded() -> None:
    """Filters, masks, a question, a dry run; what is redriven is on its topic again; each letter has its state."""
    async with Line(partitions=2) as line:
        line.start_worker()
        wrong = b'{"id":"1","source":"/e2e","type":"overbid","recipients":["alice"],"data":{"to":"eve@example.com"}}'
        await line.publish(
            wrong, b"{\xff", {"id": "2", "source": "/e2e", "type": "no_such"}, headers=[("trace", b"t1")]
        )
        await eventually(lambda: _letters(line, 3), 40)

        assert await listed(line) == {"invalid_data": "open", "invalid_utf8": "open", "unknown_type": "open"}
        assert await listed(line, "--type", "overbid") == {"invalid_data": "open"}
        assert await listed(line, "--reason", "unknown_type", "--stage", "resolve", "--since", "1h") == {
            "unknown_type": "open"
        }
        assert await listed(line, "--topic", "no.such") == {}

        _, (one,), _ = await line.tocsin("dead-letters", "list", "--type", "overbid", "--json")
        code, documents, said = await line.tocsin("dead-letters", "show", one["id"], "--json")
        assert code == 0, said
        (shown,) = documents
        assert shown["headers"] == {"trace": "t1"}
        assert "eve@example.com" not in shown["value"]
        _, _, plain = await line.tocsin("dead-letters", "show", one["id"], "--show-personal")
        assert wrong.decode() in plain

        code, _, said = await line.tocsin("dead-letters", "redrive", one["id"], given=b"n\n")
        assert (code, "nothing was done" in said) == (1, True)
        code, (row,), said = await line.tocsin(
            "dead-letters", "redrive", "--all", "--type", "overbid", "--dry-run", "--json"
        )
        assert (code, row["letters"]) == (0, 1), said
        assert await _operations(line) == []

        code, (done,), said = await line.tocsin("dead-letters", "redrive", one["id"], "--yes", "--json")
        assert (code, done) == (0, {"redriven": 1}), said
        await eventually(lambda: _letters(line, 4), 40)  # still wrong: it dies anew, as a letter of its own
        events = await line.read(line.settings.kafka.events[0])
        assert events.count((wrong, {"trace": b"t1"})) == 2

        code, (done,), said = await line.tocsin(
            "dead-letters", "discard", "--reason", "invalid_utf8", "--yes", "--json"
        )
        assert (code, done) == (0, {"discarded": 1}), said
        states = sorted(
            (letter["reason"], letter["state"])
            for letter in (await line.tocsin("dead-letters", "list", "--json"))[1]
        )
        assert states == [
            ("invalid_data", "open"),
            ("invalid_data", "redriven"),
            ("invalid_utf8", "discarded"),
            ("unknown_type", "open"),
        ]

        told = await _operations(line)
        assert {(o.action.value, o.phase) for o in told} == {
            (action, phase) for action in ("redrive", "discard") for phase in Phase
        }
        assert {o.who for o in told} == {getpass.getuser()}
        assert next(o for o in told if o.phase is Phase.part and o.action == "redrive").items == (one["id"],)
        code, _, said = await line.tocsin("dead-letters", "show", "0:999")
        assert (code, "there is no dead letter 0:999" in said) == (1, True)


async def _letters(line: Line, number: int) -> bool:
    return len(await line.dead_letters()) >= number


async def _operations(line: Line) -> list[Operation]:
    return [Operation.from_bytes(value) for value, _ in await line.read(line.parts.topics.audit)]
