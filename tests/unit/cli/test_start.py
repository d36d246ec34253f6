"""The start of a command: what `explain` imports before it connects, which is most of its CPU."""

import subprocess
import sys

from tests.support.paths import ROOT

_HEAVY = {
    "aiokafka",
    "aiosmtplib",
    "babel",
    "css_inline",
    "email_validator",
    "fastapi",
    "faust",
    "jinja2",
    "opentelemetry",
    "prometheus_client",
    "service.adapters.smtp",
    "service.adapters.templates",
    "service.bootstrap.parts",
    "service.model.classifier",
    "streams",
    "structlog",
}
"""Modules that a command which only reads Redis does not need."""

_SCRIPT = """
import os, sys
import service.adapters.redis.client as client
from service.cli import main

async def connect(*arguments):
    print(*sys.modules, sep="\\n", flush=True)
    os._exit(0)

client.Store.pipeline = client.Store._run = connect
sys.argv = ["tocsin", "explain", "--event", "x"]
main()
"""


def _imported(script: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stdout.split())


def test_explain_imports_only_what_it_needs() -> None:
    """Until its first command to Redis. A test of seconds would depend on the machine."""
    imported = _imported(_SCRIPT)

    assert {"service.bootstrap.explain_parts", "redis.asyncio.connection"} <= imported
    assert not _HEAVY & imported


def test_the_check_notices_a_heavy_import() -> None:
    """One that is planted."""
    assert _imported(f"import structlog\n{_SCRIPT}") >= {"structlog"}


def test_lines_of_structlog_do_not_mix_with_results() -> None:
    """Also when it is imported in the middle of a command: without a handler a line is not printed."""
    script = """
from service.observability.log_hook import route_when_imported
route_when_imported()
import structlog
structlog.get_logger("x").warning("unexpected")
print("result")
"""
    assert _imported(script) == {"result"}


def test_a_command_that_configures_its_logs_is_not_disturbed() -> None:
    """As a worker does, and `--debug`: the module that configures structlog is what imports it."""
    script = """
from service.observability.log_hook import route_when_imported
route_when_imported()
from service.observability.logs import configure
configure("INFO", "json")
import structlog
structlog.get_logger("x").info("to_stderr")
print("result")
"""
    assert _imported(script) == {"result"}
