"""`tocsin topics`: create missing topics, and list differences."""

from pathlib import Path

from tests.e2e.cli.tocsin import Tocsin


def test_applying_twice_creates_everything_once(tocsin: Tocsin) -> None:
    """The second run changes nothing; then no topic differs from the topic table."""
    first = tocsin.run("topics", "apply", "--json")
    second = tocsin.run("topics", "apply", "--json")

    assert (first.code, second.code) == (0, 0)
    assert {change["done"] for change in first.documents} == {"created"}
    assert {change["done"] for change in second.documents} == {"unchanged"}
    topics = tocsin.run("topics", "list", "--json").documents
    assert {topic["topic"] for topic in topics} == {change["topic"] for change in first.documents}
    assert {(topic["partitions"], topic["differs"]) for topic in topics} == {(3, "")}


def test_differences_are_listed_and_removed(tocsin: Tocsin) -> None:
    """A larger number of partitions is listed by `list` and applied by `apply`."""
    missing = tocsin.run("topics", "list", "--json").documents
    tocsin.run("topics", "apply", TOCSIN_KAFKA__PARTITIONS="1")
    fewer = tocsin.run("topics", "list", "--json").documents
    changed = tocsin.run("topics", "apply", "--json").documents

    assert {topic["differs"] for topic in missing} == {"missing"}
    growth = "partitions 1 -> 3"
    assert {topic["differs"] for topic in fewer if "events" not in topic["topic"]} == {growth}
    done = f"{growth}; the order of a key's records is not kept across the change"
    assert {change["done"] for change in changed if "events" not in change["topic"]} == {done}


def test_commands_that_write_fail_at_once_without_their_topic(tocsin: Tocsin, tmp_path: Path) -> None:
    """Before `topics apply` they fail, instead of waiting for a topic that does not exist."""
    file = tmp_path / "rows.jsonl"
    file.write_text('{"id": "a"}\n')

    for arguments in (
        ("recipients", "import", str(file)),
        ("keys", "create", "x"),
        ("publish", "overbid", "--sample"),
    ):
        result = tocsin.run(*arguments)

        assert (result.code, result.out) == (1, "")
        assert result.err.startswith(f"tocsin: there is no topic {tocsin.prefix}")
        assert result.err.endswith("create it with `tocsin topics apply`\n")


def test_without_kafka_one_line_says_so(tocsin: Tocsin, free_port: int) -> None:
    """Every command that needs Kafka fails soon, with exit code 1 and no traceback."""
    for arguments in (("topics", "apply"), ("topics", "list"), ("tail",), ("publish", "overbid", "--sample")):
        result = tocsin.run(*arguments, TOCSIN_KAFKA__BOOTSTRAP=f"127.0.0.1:{free_port}", timeout_s=60)

        assert (result.code, result.out) == (1, "")
        assert result.err == f"tocsin: Kafka at 127.0.0.1:{free_port} does not answer\n"
