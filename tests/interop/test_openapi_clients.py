"""The OpenAPI document as others use it: a linter, and the clients that two generators make of it.

The tools are installed from lock files; the tests are skipped where that is not possible, with the reason.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.interop.tools import built, built_environment, run
from tests.support.paths import ROOT
from tests.support.served_pipeline import bearer, served_pipeline

_DOCUMENT = str(ROOT / "docs" / "api" / "openapi.json")
_NPX = ("npx", "--no-install")
_OLDEST_NODE = 20  # of Redocly


async def node_tools() -> Path:
    """Return the folder with the tools of npm; skip where they cannot run."""
    if shutil.which("node") is not None:
        _, version = await run("node", "--version")
        if int(version.strip().lstrip("v").partition(".")[0]) < _OLDEST_NODE:
            pytest.skip(f"node {version.strip()} is older than version {_OLDEST_NODE}")
    return await built("openapi", ("node", "npm"), ("npm", "ci", "--no-audit", "--no-fund"))


async def test_the_linter_has_nothing_to_say() -> None:
    """Redocly's recommended rules, without those that redocly.yaml turns off with a reason: no error, no warning."""
    folder = await node_tools()
    code, output = await run(
        *_NPX, "redocly", "lint", _DOCUMENT, "--config=redocly.yaml", "--format=json", cwd=folder
    )
    result, _ = json.JSONDecoder().raw_decode(output[output.index('{\n  "totals"') :])
    assert (code, result["totals"]) == (0, {"errors": 0, "warnings": 0, "ignored": 0}), result["problems"]


async def test_types_for_typescript_compile() -> None:
    """The types of openapi-typescript fit a program that uses them, and refuse what is wrong in it."""
    folder = await node_tools()
    code, output = await run(*_NPX, "openapi-typescript", _DOCUMENT, "--output=api.d.ts", cwd=folder)
    assert code == 0, output
    assert "warning" not in output.lower()
    code, output = await run(
        *_NPX, "tsc", "--noEmit", "--strict", "--target", "es2022", "program.ts", cwd=folder
    )
    assert code == 0, output


async def test_the_python_client_reads_an_inbox() -> None:
    """openapi-python-client makes a client without a warning; with it, a running API is called."""
    folder = await built_environment("openapi")
    python = str(folder / "venv" / "bin" / "python")
    generate = ("generate", f"--path={_DOCUMENT}", "--overwrite", "--output-path=client", "--fail-on-warning")
    code, output = await run(
        python, "-m", "openapi_python_client", *generate, "--config=python-client.yml", cwd=folder
    )
    assert code == 0, output
    assert "WARNING" not in output
    async with served_pipeline() as (pipeline, api):
        await pipeline.publish(
            {
                "id": "1",
                "source": "/interop",
                "type": "overbid",
                "recipients": ["alice"],
                "data": {"lot_id": "7"},
            }
        )
        await pipeline.wait_until_finished("/interop", "1")
        where = {"URL": api, "TOKEN": bearer("alice", "inbox"), "PYTHONPATH": str(folder / "client")}
        code, output = await run(python, "call.py", cwd=folder, **where)
    assert code == 0, output
    assert json.loads(output.splitlines()[-1]) == {
        "ready": "ready",
        "counts": {"overbid": 1},
        "lots": ["7"],
        "in UTC": True,
        "marked": 204,
        "read": [True],
        "refused": "401",
    }
