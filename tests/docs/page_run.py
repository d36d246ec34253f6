"""Runs the blocks of a page, in order, in a folder of its own, against a stack on ports of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.doc_page import Block, Command, Page
from tests.support.environment import inherited_environment
from tests.support.paths import ROOT

_TIMEOUT_S = 60
_RETRY_S = 0.2
_READS = re.compile(r"tocsin (?:explain|deliveries|due list|dead-letters (?:list|show))|curl(?!.* -d )")
"""Commands that run again until they print what is shown: it happens a moment after the command before them."""
_YES = b"y\n" * 20
"""The answer to every question of a command."""
_COMMAND = """source {state} 2>/dev/null; cd "$(cat {folder} 2>/dev/null || pwd)"
{command}
code=$?; declare -p > {state}; pwd > {folder}; exit $code
"""
"""A command, with the variables and the folder that the one before it has left."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong at a line of a page."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class PageRun:
    """A page, run once, in a folder of its own.

    `ports`: those of the stack, by the one that the page names. `commands`: the folder with `tocsin`. `settled` waits
    until the stack has taken up what was changed; it is called before an event is published.
    """

    def __init__(
        self,
        page: Page,
        folder: Path,
        ports: Mapping[int, int],
        commands: Path,
        settled: Callable[[], None],
        **environment: str,
    ) -> None:
        self._page = page
        self._work = folder / "work"
        self._settled = settled
        self._state = folder
        self._ports = ports
        self._groups: list[int] = []
        """The process groups of commands that have left a program running."""
        inherited = inherited_environment()
        path = f"{commands}:{Path(sys.executable).parent}:{inherited['PATH']}"
        self._environment = inherited | {"PATH": path, "HOME": str(folder), "NO_COLOR": "1"}
        self._environment |= {"PYTHONPATH": str(ROOT / "clients" / "python")} | environment
        self._work.mkdir(exist_ok=True)
        (self._work / "clients").symlink_to(ROOT / "clients")
        (self._work / ".venv").mkdir()
        (self._work / ".venv" / "bin").symlink_to(commands)

    def failures(self) -> list[Failure]:
        """Run every block; return what failed. What a command has left running is stopped at the end."""
        try:
            return [failure for block in self._page.blocks() for failure in self._run(block)]
        finally:
            for group in self._groups:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGTERM)

    def _run(self, block: Block) -> Iterator[Failure]:
        if block.title:
            file = self._work / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self._mapped(block.text))
        if "not run" in block.directives:
            return
        match block.language:
            case "console":
                yield from self._run_console(block)
            case "python":
                yield from self._run_python(block)
            case "json" | "toml" | "yaml" | "sh":
                yield from _syntax_failures(block)

    def _run_console(self, block: Block) -> Iterator[Failure]:
        commands = block.commands()
        for command in commands:
            wanted = int(block.directives.get("exit", "0")) if command is commands[-1] else 0
            deadline_s = time.monotonic() + _TIMEOUT_S
            while (problem := self._problem(command, block.directives.get("until", ""), wanted)) is not None:
                if not _READS.search(command.text) or time.monotonic() > deadline_s:
                    yield Failure(command.line, f"{command.text}: {problem}")
                    break
                time.sleep(_RETRY_S)

    def _problem(self, command: Command, until: str, wanted: int) -> str | None:
        """Run a command. Return what is wrong, or None."""
        if "tocsin publish" in command.text:
            self._settled()
        code, output = self._execute(self._mapped(command.text), until)
        if code != wanted:
            return f"exit code {code}: {output[-1500:]}"
        missing = _missing(command.expected, output)
        return None if missing is None else f"does not print {missing!r}: {output[-1500:]}"

    def _run_python(self, block: Block) -> Iterator[Failure]:
        file = self._work / (block.title or "program.py")
        file.write_text(self._mapped(block.text))
        code, output = self._execute(f"python {file.name}", block.directives.get("until", ""))
        if code:
            yield Failure(block.line, f"exit code {code}: {output[-1500:]}")

    def _execute(self, command: str, until: str) -> tuple[int, str]:
        """Run a command to its end, or until it has printed a text, which counts as 0. Return exit code and output."""
        script = _COMMAND.format(
            state=self._state / "variables", folder=self._state / "folder", command=command
        )
        with subprocess.Popen(
            ["env", "--default-signal=INT", "bash", "-c", script],  # in the background, shells ignore Ctrl-C
            cwd=self._work,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            if command.endswith("&"):
                self._groups.append(process.pid)
            if until:
                output = _read_until(process, until)
                if until not in output:
                    return process.wait(_TIMEOUT_S), self._named(output)
                os.killpg(process.pid, signal.SIGINT)
            try:
                rest = process.communicate(None if until else _YES, _TIMEOUT_S)[0].decode()
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return -1, f"no end within {_TIMEOUT_S} s: {process.communicate()[0].decode()}"
            return (0, self._named(output)) if until else (process.returncode, self._named(rest))

    def _mapped(self, text: str) -> str:
        """Return a text of the page with the ports of the stack."""
        return _with_ports(text, self._ports)

    def _named(self, output: str) -> str:
        """Return an output with the ports of the page."""
        return _with_ports(output, {there: here for here, there in self._ports.items()})


def _read_until(process: "subprocess.Popen[bytes]", text: str) -> str:
    """Return what a process prints until it has printed a text, or has ended. It is killed if it takes too long."""
    assert process.stdout is not None
    output = b""
    timer = subprocess.Popen(
        ["bash", "-c", f"sleep {_TIMEOUT_S}; kill -KILL -- -{process.pid}"], start_new_session=True
    )
    try:
        while text.encode() not in output and (chunk := os.read(process.stdout.fileno(), 65_536)):
            output += chunk
    finally:
        os.killpg(timer.pid, signal.SIGKILL)
        timer.wait()
    return output.decode()


def _with_ports(text: str, ports: Mapping[int, int]) -> str:
    named = "|".join(map(str, ports))
    return re.sub(
        rf'(127\.0\.0\.1(?::|", ))({named})\b', lambda found: found[1] + str(ports[int(found[2])]), text
    )


def _missing(expected: Sequence[str], output: str) -> str | None:
    """Return the first expected line that the output does not have after those before it; `…` is any text."""
    lines = iter(output.splitlines())
    for wanted in expected:
        pattern = ".*".join(map(re.escape, re.split(" *… *", wanted.strip())))
        if wanted.strip() and not any(re.fullmatch(pattern, line.strip()) for line in lines):
            return wanted
    return None


def _syntax_failures(block: Block) -> Iterator[Failure]:
    if "…" in block.text:
        return
    parse = {"json": _check_json, "toml": tomllib.loads, "yaml": yaml.safe_load, "sh": _check_shell}
    try:
        parse[block.language](block.text)
    except (ValueError, yaml.YAMLError) as error:
        yield Failure(block.line, str(error))


def _check_json(text: str) -> None:
    """Raise ValueError for what is neither a JSON document nor one on each line."""
    try:
        json.loads(text)
    except ValueError:
        for line in text.splitlines():
            json.loads(line)


def _check_shell(text: str) -> None:
    """Raise ValueError for a script that bash cannot read."""
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    if checked.returncode:
        raise ValueError(checked.stderr)
