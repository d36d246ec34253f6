"""`tocsin topics`: makes what is missing, and shows what differs."""

from pathlib import Path

from tests.e2e.cli.tocsin import Tocsin


def test_applying_twice_creates_everything_once(tocsin: Tocsin) -> None:
    """The second time nothing is changed; then nothing differs from the table."""
    first = tocsin.run("topics", "apply", "--json")
    second = tocsin.run("topics", "apply", "--json")

    assert (first.code, second.code) == (0, 0)
    assert {change["done"] for change in first.documents} == {"created"}
    assert {change["done"] for change in second.documents} == {"unchanged"}
    shown = tocsin.run("topics", "list", "--json").documents
    assert {topic["topic"] for topic in shown} == {change["topic"] for change in first.documents}
    assert {(topic["partitions"], topic["differs"]) for topic in shown} == {(3, "")}


def test_what_differs_is_told_and_mended(tocsin: Tocsin) -> None:
    """Partitions that were asked for later are told by `list` and added by `apply`; names keep no secrets."""
    missing = tocsin.run("topics", "list", "--json").documents
    tocsin.run("topics", "apply", TOCSIN_KAFKA__PARTITIONS="1")
    fewer = tocsin.run("topics", "list", "--json").documents
    changed = tocsin.run("topics", "apply", "--json").documents

    assert {topic["differs"] for topic in missing} == {"missing"}
    assert {topic["differs"] for topic in fewer if "events" not in topic["topic"]} == {"partitions 1 -> 3"}
    assert {change["done"] for change in changed if "events" not in change["topic"]} == {"partitions 1 -> 3"}


def test_verbs_that_write_miss_their_topic_at_once(tocsin: Tocsin, tmp_path: Path) -> None:
    """Before `topics apply` they say so, instead of waiting for a topic that does not come."""
    file = tmp_path / "rows.jsonl"
    file.write_text('{"id": "a"}\n')

    for verb in (
        ("recipients", "import", str(file)),
        ("keys", "create", "x"),
        ("publish", "overbid", "--sample"),
    ):
        ended = tocsin.run(*verb)

        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith(f"tocsin: there is no topic {tocsin.prefix}")
        assert ended.err.endswith("create it with `tocsin topics apply`\n")


def test_without_kafka_one_line_says_so(tocsin: Tocsin, free_port: int) -> None:
    """Every verb that needs it ends soon, with exit code 1 and no traceback."""
    for verb in (("topics", "apply"), ("topics", "list"), ("tail",), ("publish", "overbid", "--sample")):
        ended = tocsin.run(*verb, TOCSIN_KAFKA__BOOTSTRAP=f"127.0.0.1:{free_port}", timeout=60)

        assert (ended.code, ended.out) == (1, "")
        assert ended.err == f"tocsin: Kafka at 127.0.0.1:{free_port} does not answer\n"
