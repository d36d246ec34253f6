"""The command line as a whole: its commands, exit codes, errors, and lazy imports."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
import typer
from typer.testing import CliRunner

from service.cli import app
from service.cli.support import command_group, output
from service.cli.support.output import CliError
from service.model.mask import printable
from service.ports import Unavailable

RUN = CliRunner()


def _fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> tuple[int, str]:
    """Return exit code and stderr of a command that raises."""
    broken = typer.Typer()

    @broken.command()
    def command() -> None:
        raise error

    class Module:
        app = broken

    monkeypatch.setattr(command_group, "import_module", lambda _: Module)
    output.console.cache_clear()
    try:
        result = RUN.invoke(app, ["token"])
    finally:
        output.console.cache_clear()
    return result.exit_code, result.stderr


@pytest.mark.parametrize(
    ("error", "code", "stderr"),
    [
        (CliError("it failed", "fix it"), 1, "tocsin: it failed; fix it\n"),
        (Unavailable("Kafka does not answer"), 1, "tocsin: Kafka does not answer\n"),
        (FileNotFoundError(2, "No such file", "x"), 1, "tocsin: [Errno 2] No such file: 'x'\n"),
        (
            ZeroDivisionError("x@example.com"),
            1,
            "tocsin: ZeroDivisionError: x•••@e•••.com; run `tocsin --debug …` for a traceback\n",
        ),
        (CliError("two\nlines \x1b[31m"), 1, "tocsin: two lines \\x1b[31m\n"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Exit(3), 3, ""),
    ],
)
def test_a_failure_is_an_exit_code_and_one_line(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, stderr: str
) -> None:
    """No traceback, no address, and no control characters."""
    assert _fails_with(monkeypatch, error) == (code, stderr)


def test_wrong_settings_are_named_as_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their values, which may be secrets, are not printed."""
    monkeypatch.setenv("TOCSIN_KAFKA__PARTITIONS", "hunter2")
    output.console.cache_clear()

    result = RUN.invoke(app, ["token", "alice"])

    output.console.cache_clear()
    assert result.exit_code == 1
    assert result.stderr.startswith("tocsin: TOCSIN_KAFKA__PARTITIONS: ")
    assert result.stderr.count("\n") == 1
    assert "hunter2" not in result.stderr


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
    """Scripts can distinguish it from a failure."""
    assert RUN.invoke(app, arguments).exit_code == 2


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    """The error names the command that was probably meant."""
    assert "publish" in RUN.invoke(app, ["publsh"]).stderr


@pytest.mark.parametrize(
    "command",
    [name for name in command_group.COMMANDS if find_spec(command_group.module_of(name))],
)
@pytest.mark.exhaustive
def test_every_command_has_help(command: str) -> None:
    """Help is printed without the services that the command needs to run."""
    result = RUN.invoke(app, [command, "--help"])

    assert result.exit_code == 0
    assert f"Usage: tocsin {command}" in result.stdout


def test_a_command_without_a_file_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table may name a command that does not exist yet."""
    monkeypatch.setattr(command_group, "COMMANDS", {"token": "Issue a token.", "levitate": "Rise."})

    assert "levitate" not in RUN.invoke(app, ["--help"]).stdout
    assert RUN.invoke(app, ["levitate"]).exit_code == 2


def test_the_command_line_starts_without_the_imports_of_its_commands() -> None:
    """A fast start: no client of Kafka, Redis or SMTP, no web framework, no pydantic at import."""
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

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == ""


def test_text_cannot_control_a_terminal() -> None:
    """Control and invisible characters become escapes; letters of all scripts stay."""
    assert printable("a\x1b[2Jb\u202ec\x9b") == "a\\x1b[2Jb\\u202ec\\x9b"
    assert printable("Grüße, 東京") == "Grüße, 東京"
