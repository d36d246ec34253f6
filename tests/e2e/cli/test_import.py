"""`tocsin recipients import`: every row is written or refused with a reason, resumably, in bounded memory."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.adapters.redis.client import Store
from service.adapters.redis.tables.tables import RedisTables
from service.model.recipient import Recipient
from service.ports import LookupKeys
from tests.e2e.cli.tocsin import Tocsin
from tests.support.wait import until


def _rows(tocsin: Tocsin, names: Sequence[str]) -> dict[str, Recipient]:
    async def lookup() -> dict[str, Recipient]:
        store = Store(tocsin.settings.redis)
        try:
            return dict((await RedisTables(store).lookup(LookupKeys(recipients=set(names)))).recipients)
        finally:
            await store.close()

    return asyncio.run(lookup())


def _line(number: int) -> str:
    row = {
        "id": f"u{number}",
        "address": f"u{number}@example.com",
        "name": f"User {number}",
        "locale": "de-AT",
        "timezone": "Europe/Vienna",
        "roles": ["admin"] if number % 1000 == 0 else [],
        "preferences": {"overbid": {"email": number % 2 == 0}},
    }
    return json.dumps(row)


def _file(path: Path, count: int) -> Path:
    path.write_text("\n".join(map(_line, range(count))) + "\n")
    return path


def test_rows_are_in_redis_and_on_the_topic_and_refused_ones_are_reported(
    ready: Tocsin, tmp_path: Path
) -> None:
    """Valid rows between invalid ones are written; a refused row is reported with line and reason, and kept whole."""
    file = tmp_path / "rows.jsonl"
    invalid = [
        '{"id": "b1", "address": "x@@example.com"}',
        "no json",
        '{"id": "b2", "timezone": "Mars/Base"}',
        '{"name": "x"}',
    ]
    file.write_text(
        "\n".join([_line(0), invalid[0], _line(1), invalid[1], invalid[2], "", _line(2), invalid[3]])
    )
    refused_file = tmp_path / "refused.jsonl"

    result = ready.run("recipients", "import", str(file), "--refused", str(refused_file), "--json")

    assert result.code == 1
    (counts,) = result.documents
    assert (counts["rows"], counts["written"], counts["refused"]) == (7, 3, 4)
    refused = [json.loads(line) for line in refused_file.read_text().splitlines()]
    assert [(row["line"], row["row"]) for row in refused] == list(zip((2, 4, 5, 8), invalid, strict=True))
    assert [row["reason"].split(":")[0] for row in refused] == ["address", "invalid_json", "timezone", "id"]
    assert "example.com" not in result.err
    assert result.err.splitlines()[-1] == "tocsin: 4 of 7 rows were refused"
    rows = _rows(ready, ["u0", "u1", "u2", "b1", "b2"])
    assert set(rows) == {"u0", "u1", "u2"}
    assert (rows["u0"].roles, rows["u1"].preferences["overbid:email"].on) == (("admin",), False)
    topic = ready.run(
        "tail", "tables.recipients", "--from-beginning", "--until-end", "--json", "--show-personal"
    )
    assert {r["key"]: r["value"]["version"] for r in topic.documents} == {
        name: r.version for name, r in rows.items()
    }
    assert not (tmp_path / "rows.jsonl.checkpoint").exists()


def test_csv_and_json_lines_are_the_same_rows(ready: Tocsin, tmp_path: Path) -> None:
    """Rows that were imported from one format are unchanged by the other."""
    lines, table = tmp_path / "rows.jsonl", tmp_path / "rows.csv"
    lines.write_text(
        '{"id": "a", "address": "a@example.com", "name": "Ann, \\"the\\" first", "roles": ["admin", "ops"],'
        ' "preferences": {"overbid": {"email": false}}}\n{"id": "b"}\n'
    )
    table.write_text(
        'id,address,name,roles,overbid:email\na,a@example.com,"Ann, ""the"" first",admin;ops,off\nb,,,,\n'
    )

    first = ready.run("recipients", "import", str(lines), "--json")
    second = ready.run("recipients", "import", str(table), "--json")

    assert (first.code, first.documents[0]["written"]) == (0, 2), first.err
    assert (second.code, second.documents[0]["written"], second.documents[0]["unchanged"]) == (0, 0, 2), (
        second.err
    )


def test_a_dry_run_writes_nothing(ready: Tocsin, tmp_path: Path, free_port: int) -> None:
    """It needs neither Kafka nor Redis."""
    file = _file(tmp_path / "rows.jsonl", 10)
    unreachable = {
        "TOCSIN_KAFKA__BOOTSTRAP": f"127.0.0.1:{free_port}",
        "TOCSIN_REDIS__URL": f"redis://127.0.0.1:{free_port}",
    }

    result = ready.run("recipients", "import", str(file), "--dry-run", **unreachable)

    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("10 rows, all valid")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    assert ready.run("recipients", "import", str(file), **unreachable).code == 1


def test_a_killed_import_resumes(ready: Tocsin, tmp_path: Path) -> None:
    """kill -9 during the import, then --resume: every row is there, and the counts are those of the whole file."""
    file, count = _file(tmp_path / "rows.jsonl", 20_000), 20_000
    checkpoint = tmp_path / "rows.jsonl.checkpoint"
    process = ready.start("recipients", "import", str(file))
    assert until(checkpoint.exists, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = json.loads(checkpoint.read_text())["counts"]["rows"]
    assert 0 < done < count

    result = ready.run("recipients", "import", str(file), "--resume", "--json")

    assert result.code == 0, result.err
    counts = result.documents[0]
    assert (counts["rows"], counts["written"] + counts["unchanged"]) == (count, count)
    assert counts["lines"] == count
    assert len(_rows(ready, [f"u{n}" for n in range(count)])) == count
    assert not checkpoint.exists()


def test_a_checkpoint_of_another_file_is_refused(ready: Tocsin, tmp_path: Path) -> None:
    """Resuming in a file that has changed would skip rows silently."""
    file = _file(tmp_path / "rows.jsonl", 10)
    (tmp_path / "rows.jsonl.checkpoint").write_text(
        '{"file": "1-abc", "place": {"line": 5, "offset": 50}, "counts": {"rows": 5}}'
    )

    result = ready.run("recipients", "import", str(file), "--resume")

    assert result.code == 1
    assert "was made for another file" in result.err


@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_the_file(ready: Tocsin, tmp_path: Path) -> None:
    """100,000 rows need no more than some 60 MB over what 1,000 need (the row cache of the adapter included)."""
    small, large = (_peak_mb(ready, _file(tmp_path / f"{count}.jsonl", count)) for count in (1_000, 100_000))

    assert large - small < 60, f"{small} MB for 1,000 rows, {large} MB for 100,000"


def _peak_mb(tocsin: Tocsin, file: Path) -> int:
    process: subprocess.Popen[bytes] = tocsin.start("recipients", "import", str(file))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss // 1024
