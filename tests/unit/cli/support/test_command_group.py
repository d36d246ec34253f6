"""The command line as a whole: what is offered, how it ends, and how soon it answers."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
import typer
from typer.testing import CliRunner

from service.cli import app
from service.cli.support import command_group as verbs
from service.cli.support import output
from service.cli.support.output import CliError, printable
from service.ports import Unavailable

RUN = CliRunner()


def _fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> tuple[int, str]:
    """Exit code and stderr of a verb that raises."""
    broken = typer.Typer()

    @broken.command()
    def verb() -> None:
        raise error

    class Module:
        app = broken

    monkeypatch.setattr(verbs, "import_module", lambda _: Module)
    output.console.cache_clear()
    try:
        ended = RUN.invoke(app, ["token"])
    finally:
        output.console.cache_clear()
    return ended.exit_code, ended.stderr


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (CliError("it broke", "mend it"), 1, "tocsin: it broke; mend it\n"),
        (Unavailable("Kafka does not answer"), 1, "tocsin: Kafka does not answer\n"),
        (FileNotFoundError(2, "No such file", "x"), 1, "tocsin: [Errno 2] No such file: 'x'\n"),
        (
            ZeroDivisionError("x@example.com"),
            1,
            "tocsin: ZeroDivisionError: x•••@e•••.com; run `tocsin --debug …` to see where\n",
        ),
        (CliError("two\nlines \x1b[31m"), 1, "tocsin: two lines \\x1b[31m\n"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Exit(3), 3, ""),
    ],
)
def test_a_failure_is_an_exit_code_and_one_line(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, told: str
) -> None:
    """No traceback, no address, and nothing that steers a terminal."""
    assert _fails_with(monkeypatch, error) == (code, told)


def test_wrong_settings_are_named_as_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their values, which may be secrets, are not told."""
    monkeypatch.setenv("TOCSIN_KAFKA__PARTITIONS", "hunter2")
    output.console.cache_clear()

    ended = RUN.invoke(app, ["token", "alice"])

    output.console.cache_clear()
    assert ended.exit_code == 1
    assert ended.stderr.startswith("tocsin: TOCSIN_KAFKA__PARTITIONS: ")
    assert ended.stderr.count("\n") == 1
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["token"],
        ["token", "alice", "--scope", "everything"],
        ["token", "alice", "--ttl", "forever"],
        ["token", "a\nb"],
        ["publish", "overbid", "--count", "0"],
        ["publish", "overbid", "--time", "soon"],
        ["publish", "--sample"],
        ["tail", "--limit", "x"],
        ["tail", "--since", "1h", "--from-beginning"],
        ["tail", "--since", "then"],
        ["recipients", "import", "/no/such/file"],
        ["topics", "destroy"],
        ["preview", "overbid", "--part", "smell"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    """So that scripts can tell it from a failure."""
    assert RUN.invoke(app, arguments).exit_code == 2


def test_a_misspelt_verb_is_answered_with_the_nearest() -> None:
    """Nobody should have to read the list."""
    assert "publish" in RUN.invoke(app, ["publsh"]).stderr


@pytest.mark.parametrize(
    "verb", [verb for verb in verbs.VERBS if find_spec(f"service.cli.{verb.replace('-', '_')}")]
)
def test_every_verb_says_what_it_does(verb: str) -> None:
    """Help names the verb, whatever it needs to run."""
    ended = RUN.invoke(app, [verb, "--help"])

    assert ended.exit_code == 0
    assert f"Usage: tocsin {verb}" in ended.stdout


def test_a_verb_without_a_file_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table may name what is still to come."""
    monkeypatch.setattr(verbs, "VERBS", {"token": "Print a token.", "levitate": "Rise."})

    assert "levitate" not in RUN.invoke(app, ["--help"]).stdout
    assert RUN.invoke(app, ["levitate"]).exit_code == 2


def test_the_command_line_starts_without_what_verbs_need() -> None:
    """The first output must come soon: no client of Kafka, Redis or SMTP, no web framework, no pydantic at import."""
    heavy = {
        "aiokafka",
        "redis",
        "aiosmtplib",
        "jinja2",
        "faust",
        "fastapi",
        "pydantic",
        "structlog",
        "rich.table",
    }
    script = f"import sys, service.cli; print(*sorted({heavy!r} & set(sys.modules)))"

    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == ""


def test_text_cannot_steer_a_terminal() -> None:
    """Controls and invisible characters are written as escapes; letters of all scripts stay."""
    assert printable("a\x1b[2Jb\u202ec\x9b") == "a\\x1b[2Jb\\u202ec\\x9b"
    assert printable("Grüße, 東京") == "Grüße, 東京"
