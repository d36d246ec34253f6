"""The client for upstream services in Java: its tests, a catalogue of odd names, samples and documents, in one run."""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hypothesis import given, settings

from service.adapters.catalogue_file import load_catalogue
from service.cli.develop.sdk import describe, java
from service.model.catalogue import Audience, AudienceRule, MetaField, NotificationType
from service.model.channels import Channel
from service.settings import templates_directory
from tests.clients.python.test_same_reasons import changed_events
from tests.interop.tools import BUILDS, check, require
from tests.support.client_vectors import reason_of
from tests.support.doc_page import Page
from tests.support.paths import ROOT
from tests.support.tutorial import TUTORIAL, generate_types

CLIENT = ROOT / "clients" / "java"
CATALOGUE = load_catalogue(templates_directory())
DOCUMENTS = (CLIENT / "README.md", ROOT / "docs" / "how-to" / "connect-an-upstream-java.md", TUTORIAL)
_CLIENTS = BUILDS / "clients"
_FOLDER = _CLIENTS / "java"
_RANDOM_EVENTS = 300
_TEXT = 'It\'s "quoted" */ \\u0041 \\ <b>&amp; {@link Nothing} @param x\u2028 `code`'


def _odd(name: str, **meta: MetaField) -> NotificationType:
    return NotificationType(
        name=name,
        domain="own",
        title=_TEXT,
        description=_TEXT,
        channels=(Channel.inbox,),
        audience=(Audience(kind=AudienceRule.users),),
        meta=meta,
    )


_ODD = (
    _odd(
        "odd",
        **{
            "class": MetaField(description=_TEXT),
            "hash_code": MetaField(type="integer", required=False),
            "a_b": MetaField(required=False),
            "aB": MetaField(required=False),
            "two words": MetaField(type="list", required=False),
            'quo"te\\': MetaField(type="datetime", required=False),
        },
    ),
    _odd("string", other=MetaField(type="object"), builder=MetaField(type="boolean")),
    _odd("data", data=MetaField(type="number")),
)


def random_events(count: int) -> list[dict[str, Any]]:
    """Return events of any kind with the reasons of the service."""
    events = []

    @settings(max_examples=count, database=None)
    @given(changed_events())
    def collect(event: dict[str, Any]) -> None:
        events.append({"event": event, "reason": reason_of(event)})

    collect()
    return events


async def run_tests(api: str, own_type: Mapping[str, str], **variables: str) -> Path:
    """Run every test of the client in a copy of its folder; return the folder.

    `own_type`: the settings with which the tutorial's type is known. The variables are those of StackTest and
    OutboxTest. Skip the test where Maven is missing.
    """
    require("java", "mvn")
    shutil.rmtree(_FOLDER / "src", ignore_errors=True)
    shutil.rmtree(_FOLDER / "target" / "surefire-reports", ignore_errors=True)
    shutil.copytree(CLIENT, _FOLDER, dirs_exist_ok=True, ignore=shutil.ignore_patterns("target"))
    shutil.copy(ROOT / "clients" / "vectors.json", _CLIENTS)
    tests = _FOLDER / "src" / "test" / "java"
    (tests / "odd").mkdir()
    shutil.copy(Path(__file__).parent / "java_client" / "OddTypesTest.java", tests / "odd")
    for name, text in java.generate(describe(_ODD), "odd").items():
        (tests / name).write_text(text)
    generate_types(own_type, "java", tests, "--package", _package_of_the_tutorial())
    samples = _FOLDER / "samples.json"
    samples.write_text(json.dumps([{"type": type_.name, "sample": type_.sample} for type_ in CATALOGUE]))
    random = _FOLDER / "random.json"
    random.write_text(json.dumps(random_events(_RANDOM_EVENTS)))
    where = {
        "TOCSIN_URL": api,
        "RANDOM_EVENTS": str(random),
        "SAMPLES": str(samples),
        "DOCUMENTS": ",".join(_write_programs(tests, api, variables)),
        "AUCTION_DB": str(_FOLDER / "auction.db"),
        "MAVEN_OPTS": f"-XX:TieredStopAtLevel=1 {os.environ.get('MAVEN_OPTS', '')}",
    }
    (_FOLDER / "auction.db").unlink(missing_ok=True)
    await check("mvn", "-q", "-B", "test", cwd=_FOLDER, **where, **variables)
    return _FOLDER


def _package_of_the_tutorial() -> str:
    (package,) = re.findall(r"types generate java .*--package (\S+)", TUTORIAL.read_text())
    return str(package)


def _write_programs(folder: Path, api: str, variables: dict[str, str]) -> Sequence[str]:
    """Write the programs of the documents, with the addresses of the servers; return the names of their classes."""
    names = []
    for document in DOCUMENTS:
        for program in Page.read(document).programs("java"):
            (name,) = re.findall(r"^(?:public )?(?:final )?class (\w+)", program, re.MULTILINE)
            text = program.replace("http://127.0.0.1:8000", api)
            kafka = f'builder("{variables["BOOTSTRAP"]}").topic("{variables["TOPIC"]}")'
            (folder / f"{name}.java").write_text(text.replace('builder("127.0.0.1:9092")', kafka))
            names.append(name)
    assert len(set(names)) == len(names), "each program has a name of its own"
    return names


def results(folder: Path) -> tuple[set[str], set[str]]:
    """Return the names of the tests that were run, and of those that were skipped."""
    ran, skipped = set(), set()
    for report in (folder / "target" / "surefire-reports").glob("TEST-*.xml"):
        for case in ElementTree.parse(report).iter("testcase"):
            name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}"
            (skipped if case.find("skipped") is not None else ran).add(name)
    return ran, skipped
