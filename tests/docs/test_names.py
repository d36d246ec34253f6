"""What a page names exists in the code: links, headings, metrics, alerts, topics, stages, groups and commands."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import pytest
import typer
import yaml

from service.cli import app
from service.cli.support.command_group import COMMANDS, module_of
from service.settings import KafkaSettings
from streams.topics.table import TOPICS
from streams.worker.stage_table import STAGES
from tests.docs.pages import CURRENT, PAGES
from tests.support.cli_reference import cli_reference
from tests.support.doc_page import LANGUAGES, Page
from tests.support.http_reference import http_reference
from tests.support.paths import ROOT
from tests.support.worker_groups import worker_groups
from tests.unit.observability.test_metrics_documented import declared

_EVERY = pytest.mark.parametrize("name", CURRENT)
_TOCSIN = re.compile(r"(?<!user )(?<![\w/.-])(?:\.venv/bin/)?tocsin((?: [^`|;&#\n]+)?)")
_GROUPS = (
    re.compile(r"--group[ =](?:notify\.)?(?!\S*\$)([a-z.]+[a-z])"),
    re.compile(r"\bfor group in ([a-z. ]+);"),
    re.compile(r"\bgroups\s+are\s+((?:`[a-z.]+`(?:,\s+|\s+and\s+)?)+)"),
    re.compile(r'\bgroup=~?"([a-z.|]+)"'),
)
_NO_METRICS = frozenset({"tocsin_client", "tocsin_inside", "tocsin_outbox"})
_SUFFIXES = ("_bucket", "_count", "_sum")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_a_file_and_a_heading(name: str) -> None:
    """Also those into another page, by its headings."""
    page = PAGES[name]
    wrong = []
    for line, link in page.links():
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        if not target.exists():
            wrong.append(f"line {line}: no file {path}")
        elif (
            anchor and target.suffix == ".md" and anchor not in _anchors(target.relative_to(ROOT).as_posix())
        ):
            wrong.append(f"line {line}: no heading {link}")
    assert not wrong


@cache
def _anchors(name: str) -> frozenset[str]:
    return PAGES[name].anchors()


@_EVERY
def test_blocks_have_a_language(name: str) -> None:
    """One of those that the tests can check; `text` is for pictures."""
    assert not [block.line for block in PAGES[name].blocks() if block.language not in LANGUAGES]


@_EVERY
def test_the_programs_of_every_page_are_run(name: str) -> None:
    """Those that are not run by the tests of this folder are by a test that names the page; others say why not."""
    page = PAGES[name]
    if page.run_by:
        assert page.path.name in (ROOT / page.run_by).read_text()
    assert all(len(block.directives.get("not run", "a reason")) > 5 for block in page.blocks())


@_EVERY
def test_metrics_and_alerts_exist(name: str) -> None:
    """By their full names."""
    text = PAGES[name].text
    metrics = {metric.removesuffix(next(filter(metric.endswith, _SUFFIXES), "")) for metric in _metrics(text)}
    rules = yaml.safe_load((ROOT / "ops/prometheus/alerts.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}

    assert not metrics - declared().keys()
    if not name.startswith("clients/"):  # whose classes have such names
        assert not set(re.findall(r"\bTocsin[A-Z]\w+", text)) - alerts


def _metrics(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.-])tocsin_[a-z_]*[a-z](?![\w.-])", text)) - _NO_METRICS


@_EVERY
def test_topics_and_stages_exist(name: str) -> None:
    """Topics by their whole names, stages where a worker is started."""
    text = PAGES[name].text
    topics = {topic.name for topic in TOPICS}
    named = set(re.findall(r"(?<![\w.-])(?:dispatch|tables)\.[a-z][a-z.-]*[a-z](?![\w.*-])", text))
    stages = {stage for list_ in re.findall(r"--stages[ =]\"?([a-z,]+)", text) for stage in list_.split(",")}

    assert not {topic for topic in named if not topic.endswith((".md", ".py")) and topic not in topics}
    assert not stages - set(STAGES)


@_EVERY
def test_consumer_groups_exist(name: str) -> None:
    """Where a command, a query or a list names them; `tocsin` is that of the stage `rates`, `notify.` a prefix."""
    listed = " ".join(found for pattern in _GROUPS for found in pattern.findall(PAGES[name].text))
    named = set(re.findall(r"[a-z]+(?:\.[a-z]+)?", listed)) - {"and"}

    assert not named - {*worker_groups(KafkaSettings()), "tocsin", "notify"}


def test_the_reference_of_commands_is_that_of_the_code() -> None:
    """docs/reference/cli.md is made from the code: `make docs`."""
    assert PAGES["docs/reference/cli.md"].text == cli_reference()


def test_the_reference_of_operations_is_that_of_the_api() -> None:
    """docs/reference/http.md is made from the OpenAPI document: `make docs`."""
    assert PAGES["docs/reference/http.md"].text == http_reference()


@_EVERY
def test_commands_exist_with_their_options(name: str) -> None:
    """Each `tocsin …` of the page: the command, its subcommand, and the names of its options."""
    assert not list(_wrong_commands(PAGES[name]))


def _wrong_commands(page: Page) -> Iterator[str]:
    for line, text in _code(page):
        for arguments in _TOCSIN.findall(text):
            try:
                words = shlex.split(arguments.replace("…", ""))
            except ValueError:
                words = arguments.replace("'", "").replace('"', "").split()
            if problem := _problem(words):
                yield f"line {line}: {text}: {problem}"


def _code(page: Page) -> Iterator[tuple[int, str]]:
    """Yield line and text of every command in a block, and of what is between backticks."""
    for block in page.blocks():
        if block.language == "console":
            yield from ((command.line, command.text) for command in block.commands())
    for line, text in enumerate(page.prose().splitlines(), 1):
        yield from ((line, quoted) for quoted in re.findall(r"`([^`]+)`", text))


def _problem(words: list[str]) -> str:
    """Return what is wrong with the words after `tocsin`."""
    command: Any = typer.main.get_command(app)
    options = _options(command)
    rest = iter(words)
    for word in rest:
        if word.startswith("-"):
            option, _, value = word.partition("=")
            if option not in options and option not in {"-h", "--help"}:
                return f"no option {option}"
            if options.get(option) and not value:
                next(rest, None)
        elif word.isupper():  # a placeholder, as VERB
            return ""
        elif command.name == "tocsin" or _subcommands(command):
            found = _find(command, word)
            if found is None:
                return f"no command {word}" if re.fullmatch(r"[a-z-]+", word) else ""
            command, options = found, options | _options(found)
    return ""


def _find(command: Any, word: str) -> Any:
    if command.name == "tocsin":
        if word not in COMMANDS:
            return None
        return typer.main.get_command(import_module(module_of(word)).app)
    return _subcommands(command).get(word)


def _subcommands(command: Any) -> dict[str, Any]:
    return getattr(command, "commands", {}) if command.name != "tocsin" else {}


def _options(command: Any) -> dict[str, bool]:
    """Return the options of a command, and whether each takes a value."""
    return {
        name: not parameter.is_flag
        for parameter in command.params
        if hasattr(parameter, "is_flag")
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
