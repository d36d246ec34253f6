"""The client for upstream services in TypeScript: its own tests, its package, the real stack, its documents."""

import asyncio
import json
import math
import os
import re
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from service.adapters.catalogue_file import load_catalogue
from service.cli.develop.sdk import LANGUAGES, describe
from service.cli.develop.sdk.typescript import FILE
from service.model.catalogue import Audience, AudienceRule, Catalogue, MetaField, NotificationType
from service.model.channels import Channel
from service.model.event import Event as ParsedEvent
from service.model.ledger import State
from service.pipeline.resolve import ingest
from service.settings import templates_directory
from tests.clients.python.test_same_reasons import changed_events
from tests.clients.python.test_vectors import VECTORS
from tests.support.client_events import REFUSED, check_sample
from tests.support.client_vectors import NOW, reason_of
from tests.support.doc_page import Page
from tests.support.environment import inherited_environment
from tests.support.npm_package import NpmPackage
from tests.support.paths import ROOT
from tests.support.postgres import is_installed, postgres
from tests.support.real_pipeline import RealPipeline
from tests.support.served_pipeline import bearer, served_pipeline
from tests.support.tcp_proxy import TcpProxy
from tests.support.tutorial import SOURCE as PARCELS
from tests.support.tutorial import explained_event, shown_commands, write_tutorial
from tests.support.wait import eventually

_TOCSIN = Path(sys.executable).parent
PACKAGE = NpmPackage(ROOT / "clients" / "typescript")
EXAMPLE = str(PACKAGE.folder / "examples" / "auction.mjs")
DOCUMENTS = (
    PACKAGE.folder / "README.md",
    ROOT / "docs" / "how-to" / "connect-an-upstream-javascript.md",
)
SOURCE = "/typescript-client"
LOTS = range(2000, 2030)
EVENTS_OF_SAMPLES = """
import * as types from "@tocsin/client/types";
import { structuredText, toCloudEvent } from "./dist/src/cloud-event.js";
const classes = Object.fromEntries(Object.values(types).map((made) => [made.declared.name, made]));
const samples = JSON.parse(process.env.SAMPLES);
const made = samples.map(([type, fields]) => new classes[type]({ ...fields, source: "/samples" }));
console.log(JSON.stringify(made.map((event) => structuredText(toCloudEvent(event)))));
"""
REASONS = """
import { readFileSync } from "node:fs";
import { validateFields } from "./dist/src/validation.js";
import { timeMs } from "./dist/src/values.js";
const { events, types, now } = JSON.parse(readFileSync("dist/reasons.json", "utf8"));
const declared = types.map((type) => [type.name, { ...type, recipientFields: type.recipient_fields }]);
const reasons = events.map((event) => {
  try {
    validateFields(event, new Map(declared), timeMs(now));
    return null;
  } catch (error) {
    return error.reason;
  }
});
console.log(JSON.stringify(reasons));
"""
COMPILED = """
import { writeFileSync } from "node:fs";
import ts from "typescript";
const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
const options = { reportDiagnostics: true, compilerOptions };
const { diagnostics, outputText } = ts.transpileModule(process.env.TEXT, options);
for (const { messageText } of diagnostics) console.error(messageText);
writeFileSync("dist/generated.js", outputText);
const { EventEvent } = await import("./dist/generated.js");
const event = new EventEvent({ source: "/s", recipients: [], data: { class: "x", "two words": [] } });
console.log(String(Object.keys(event.fields().data)));
"""


@pytest.fixture(autouse=True, scope="module")
def package() -> None:
    """Install and compile the package, once."""

    async def build() -> None:
        await PACKAGE.install()
        shutil.rmtree(PACKAGE.folder / "dist", ignore_errors=True)
        code, output = await PACKAGE.run("npm", "run", "--silent", "build")
        assert code == 0, output

    asyncio.run(build())


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """Yield the variables that name a PostgreSQL server of this module's own; none where it is not installed."""
    if not is_installed():
        yield {}
        return
    with postgres() as server:
        parts = dict(part.split("=") for part in server.split())
        yield {"PGHOST": parts["host"], "PGUSER": parts["user"], "PGDATABASE": parts["dbname"]}


async def test_units(database: dict[str, str]) -> None:
    """Every vector, events, publishers and the outbox: Node's own runner."""
    code, output = await PACKAGE.run("npm", "test", "--silent", **database)
    assert code == 0, output


async def test_the_same_reasons() -> None:
    """Client and service refuse the same events, whatever their values are: the vectors' rule with random ones."""
    events: list[dict[str, Any]] = []

    @settings(max_examples=300, database=None, suppress_health_check=list(HealthCheck))
    @given(changed_events())
    def collect(event: dict[str, Any]) -> None:
        if is_exact(event):
            events.append(event)

    collect()
    document = json.dumps({"events": events, "types": VECTORS["types"], "now": NOW})
    (PACKAGE.folder / "dist" / "reasons.json").write_text(document)
    code, output = await PACKAGE.run("node", "--input-type=module", "-e", REASONS)
    assert code == 0, output
    of_json = {"number_out_of_range", "lone_surrogate"}  # these are found in any order
    for event, ours in zip(events, json.loads(output), strict=True):
        theirs = reason_of(event)
        assert ours == theirs or {ours, theirs} <= of_json, event


def is_exact(value: Any) -> bool:
    """Return whether JSON and JavaScript have each number of a value as it is."""
    if isinstance(value, dict | list):
        return all(map(is_exact, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int | float) or (math.isfinite(value) and abs(value) <= 2**53)


async def test_every_sample_is_an_event_that_the_service_accepts() -> None:
    """Each type has a class, and with the attributes of its sample ingest reads the same event."""
    catalogue = load_catalogue(templates_directory())
    names = {"external_id": "externalId", "project_id": "projectId"}
    samples = [
        (declared.name, {names.get(name, name): value for name, value in declared.sample.items()})
        for declared in catalogue
    ]
    code, output = await PACKAGE.run(
        "node", "--input-type=module", "-e", EVENTS_OF_SAMPLES, SAMPLES=json.dumps(samples)
    )
    assert code == 0, output
    for declared, text in zip(catalogue, json.loads(output), strict=True):
        parsed = parsed_event(text, catalogue)
        check_sample(parsed, declared)


def parsed_event(text: str, catalogue: Catalogue) -> ParsedEvent:
    headers = (("content-type", b"application/cloudevents+json"),)
    parsed = ingest.parse(text.encode(), headers, catalogue, 1_800_000_000_000)
    assert isinstance(parsed, ParsedEvent)
    return parsed


async def test_names_and_texts_of_any_kind_can_be_compiled() -> None:
    """Quotes, ends of comments, line breaks and fields that are no identifiers."""
    text = 'It\'s "quoted" */ \\\n\u2028 `${x}`'
    meta = {
        "class": MetaField(description=text),
        "two words": MetaField(type="list", required=False),
        'quo"te\\': MetaField(type="datetime", required=False),
    }
    users = Audience(kind=AudienceRule.users)
    values = {
        "name": "event",
        "domain": "own",
        "title": text,
        "description": text,
        "channels": (Channel.inbox,),
    }
    declared = NotificationType.model_validate({**values, "audience": (users,), "meta": meta})
    text = LANGUAGES["typescript"](describe([declared]))[FILE]
    code, output = await PACKAGE.run("node", "--input-type=module", "-e", COMPILED, TEXT=text)
    assert (code, output.strip()) == (0, "class,two words"), output


async def test_the_tarball_has_what_it_exports() -> None:
    """Nothing of the tests; the lock file pins every package with its hash."""
    code, output = await PACKAGE.run("npm", "pack", "--dry-run", "--json")
    assert code == 0, output
    files = {file["path"] for file in json.loads(output)[0]["files"]}
    exports = json.loads((PACKAGE.folder / "package.json").read_bytes())["exports"]
    del exports["./package.json"]
    for targets in exports.values():
        assert {target.removeprefix("./") for target in targets.values()} <= files
    assert not [name for name in files if "test/" in name]
    assert {"README.md", "LICENSE", "examples/auction.mjs"} <= files
    PACKAGE.check_lock_file()


async def test_the_client_and_the_stack(database: dict[str, str], tmp_path: Path) -> None:
    """Over Kafka and HTTP, in both modes; refused events; withdrawals; an outbox; what the documents show."""
    own_type = write_tutorial(tmp_path)
    async with served_pipeline(own_type) as (pipeline, api):
        key = bearer("auctions", "events")
        await check_every_way(pipeline, api, key)
        if database:
            await check_outbox(pipeline, api, {**database, "TOCSIN_KEY": key})
        await check_documents(pipeline, api, {**database, "TOCSIN_KEY": key})
        await check_tutorial(pipeline, api, tmp_path, {**own_type, "TOCSIN_KEY": key})


async def check_every_way(pipeline: RealPipeline, api: str, key: str) -> None:
    """Events are delivered once, whatever is published twice; client, API and dead letters give the same reasons."""
    refused = [fields | {"id": reason, "source": SOURCE} for reason, fields in REFUSED.items()]
    code, output = await PACKAGE.run(
        "node",
        "dist/test/stack.js",
        BOOTSTRAP=pipeline.settings.kafka.bootstrap,
        TOPIC=pipeline.settings.kafka.events[0],
        URL=api,
        TOKEN=key,
        REFUSED=json.dumps(refused),
    )
    assert code == 0, output
    assert json.loads(output) == [{"local": reason, "remote": [reason, reason]} for reason in REFUSED]
    ways = ("kafka-structured", "kafka-binary", "http-structured", "http-binary")
    names = [f"{way}-{number}" for way in ways for number in range(3)]
    names += [f"at-once-{number}" for number in range(20)] + ["late-0", "late-1"]
    for name in names:
        entries = await pipeline.wait_until_finished(SOURCE, name)
        assert {(e.recipient, e.channel, e.state) for e in entries} == {
            ("alice", "inbox", "delivered"),
            ("alice", "email", "sent"),
        }, name
    assert set(pipeline.mail_counts().values()) == {1}
    expected = Counter(dict.fromkeys(REFUSED, 2))

    async def are_dead_letters() -> bool:
        letters = await pipeline.dead_letters()
        return Counter(headers["tocsin-reason"].decode() for _, headers in letters) == expected

    async def is_withdrawn() -> bool:
        entries = await pipeline.entries(SOURCE, "withdrawn")
        return bool(entries) and {entry.state for entry in entries if entry.channel == "inbox"} == {
            State.withdrawn
        }

    await eventually(are_dead_letters, 60)
    await eventually(is_withdrawn, 60)


async def check_outbox(pipeline: RealPipeline, api: str, variables: dict[str, str]) -> None:
    """A relay that is killed after the acknowledgement, before it has deleted: nothing is lost, nothing is twice."""
    bids = [part for lot in LOTS for part in (str(lot), "alice", "100", str(lot), "bob", "120")]
    code, output = await PACKAGE.run("node", EXAMPLE, "bid", *bids, **variables)
    assert code == 0, output
    ids = event_ids(variables)
    assert len(ids) == len(LOTS)
    async with TcpProxy(int(api.rpartition(":")[2])) as proxy:
        proxy.stall(requests=False)
        relay = await start_relay({**variables, "TOCSIN_URL": f"http://127.0.0.1:{proxy.port}"})
        await pipeline.wait_until_finished("/auctions", ids[-1])
        relay.kill()
        await relay.wait()
        proxy.heal()
    assert event_ids(variables) == ids
    relay = await start_relay({**variables, "TOCSIN_URL": api})
    await eventually(lambda: not event_ids(variables), 60)
    relay.terminate()
    assert await relay.wait() == 0
    for event_id in ids:
        entries = await pipeline.wait_until_finished("/auctions", event_id)
        recipients = Counter(entry.recipient for entry in entries if entry.channel == "inbox")
        assert recipients == {"alice": 1, "carol": 1}  # carol has the role that the type notifies, too
    assert set(pipeline.mail_counts().values()) == {1}


async def start_relay(variables: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec("node", EXAMPLE, "relay", env={**os.environ, **variables})


def event_ids(variables: Mapping[str, str]) -> list[str]:
    """Return the ids of the events in the outbox, by position."""
    server = {"host": variables["PGHOST"], "user": variables["PGUSER"], "dbname": variables["PGDATABASE"]}
    with psycopg.connect(**server) as connection:  # type: ignore[arg-type]
        rows = connection.execute("SELECT event FROM tocsin_outbox ORDER BY position").fetchall()
    return [json.loads(event)["id"] for (event,) in rows]


async def check_documents(pipeline: RealPipeline, api: str, variables: Mapping[str, str]) -> None:
    """Each program in the documents ends without an error; the how-to's event is the one that it explains."""
    kafka = pipeline.settings.kafka
    publisher = f'KafkaPublisher("{kafka.bootstrap}", {{ topic: "{kafka.events[0]}" }}'
    for document in DOCUMENTS:
        programs = Page.read(document).programs("js")
        assert programs
        for number, program in enumerate(programs):
            if 'from "pg"' in program and "PGHOST" not in variables:
                continue
            text = program.replace("http://127.0.0.1:8000", api)
            text = text.replace('KafkaPublisher("127.0.0.1:9092"', publisher)
            file = (
                PACKAGE.folder / "dist" / f"{document.stem}-{number}.mjs"
            )  # so that the package's name leads to it
            file.write_text(text)
            code, output = await PACKAGE.run("node", str(file), **variables)
            assert code == 0, output
    (explained,) = re.findall(r"--event (\S+)", DOCUMENTS[1].read_text())
    assert await pipeline.wait_until_finished("/auctions", explained)


async def check_tutorial(
    pipeline: RealPipeline, api: str, folder: Path, variables: Mapping[str, str]
) -> None:
    """The commands and the program of the tutorial, with its own type; the locked packages are already there."""
    program = folder / "parcels" / "publish.ts"
    program.write_text(program.read_text().replace("http://127.0.0.1:8000", api))
    modules = program.parent / "node_modules"
    (modules / "@tocsin").mkdir(parents=True)
    (modules / "@tocsin" / "client").symlink_to(PACKAGE.folder)
    for name in ("typescript", "@types", ".bin"):
        (modules / name).symlink_to(PACKAGE.folder / "node_modules" / name)
    commands = [
        one for one in shown_commands("TypeScript") if "npm install" not in one and "npm ci" not in one
    ]
    script = "\n".join(["set -e", *commands])
    environment = inherited_environment() | variables | {"PATH": f"{_TOCSIN}:{os.environ['PATH']}"}
    ran = await asyncio.create_subprocess_exec(
        "bash", "-c", script, cwd=folder, env=environment, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await ran.communicate()
    assert ran.returncode == 0, output.decode()
    assert await pipeline.wait_until_finished(PARCELS, explained_event("TypeScript"))
