"""The configurations of docs/how-to/proxy-the-stream.md, in the proxies themselves: a stream comes as it happens."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from fastapi import Request
from fastapi.responses import PlainTextResponse

from service.dev.ports import free_port
from service.settings import HttpSettings
from tests.e2e.api.served import served
from tests.interop.tools import built_environment
from tests.support.api_fixture import ApiFixture, inbox_item
from tests.support.doc_page import Page
from tests.support.paths import ROOT
from tests.support.wait import eventually

PAGE = Page.read(ROOT / "docs" / "how-to" / "proxy-the-stream.md")
API = "127.0.0.1:8000"
SITE = "notify.example.com"
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    {snippet}
}}
"""
_FORGED, _CLIENT = "203.0.113.9", "127.0.0.2"


class Place(NamedTuple):
    """Where a proxy listens, what it leads to, and the folder for its files."""

    port: int
    api: str
    folder: Path


def snippet(heading: str, api: str) -> str:
    """Return the first block of a section, with the address of the API."""
    return next(PAGE.section(heading).blocks()).text.replace(API, api)


# Without TLS, which needs a certificate, and on a port of the test's.


async def nginx(place: Place) -> list[str]:
    """Return the command of nginx."""
    own = re.sub(r"^ *(ssl_\w+|http2) .*\n", "", snippet("nginx", place.api), flags=re.MULTILINE)
    own = own.replace("listen 443 ssl", f"listen 127.0.0.1:{place.port}")
    file = _written(place, NGINX.format(folder=place.folder, snippet=own))
    return [_installed("nginx", "nginx-light"), "-c", file]


async def caddy(place: Place) -> list[str]:
    """Return the command of Caddy."""
    own = snippet("Caddy", place.api).replace(SITE, f"http://127.0.0.1:{place.port}")
    file = _written(place, "{\n\tadmin off\n\tauto_https off\n}\n" + own)
    return [_installed("caddy"), "run", "--adapter", "caddyfile", "--config", file]


async def haproxy(place: Place) -> list[str]:
    """Return the command of HAProxy."""
    own = re.sub(r"bind .*", f"bind 127.0.0.1:{place.port}", snippet("HAProxy", place.api))
    return [_installed("haproxy"), "-db", "-f", _written(place, own)]


async def traefik(place: Place) -> list[str]:
    """Return the command of Traefik."""
    own = snippet("Traefik", place.api).replace(SITE, "127.0.0.1").replace(", tls: {}", "")
    static = {
        "entryPoints": {"web": {"address": f"127.0.0.1:{place.port}"}},
        "providers": {"file": {"filename": _written(place, own, "dynamic.yaml")}},
    }
    folder = await built_environment("proxies")
    return [
        str(folder / "venv" / "bin" / "traefik"),
        f"--configFile={_written(place, yaml.safe_dump(static))}",
    ]


async def envoy(place: Place) -> list[str]:
    """Return the command of Envoy."""
    own = yaml.safe_load(snippet("Envoy", place.api).replace(SITE, "'*'"))
    types = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
    manager = {"@type": f"{types}.HttpConnectionManager", **own}
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    host, _, port = place.api.partition(":")
    endpoint = {"endpoint": {"address": _envoy_address(host, int(port))}}
    cluster = {
        "name": "tocsin",
        "load_assignment": {"cluster_name": "tocsin", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = {"address": _envoy_address("127.0.0.1", place.port), "filter_chains": [{"filters": filters}]}
    bootstrap = {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
    folder = await built_environment("proxies")
    binary = next(folder.glob("venv/lib/python*/site-packages/envoy/_bin/envoy"))
    return [
        str(binary),
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "-c",
        _written(place, json.dumps(bootstrap)),
    ]


def _envoy_address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _written(place: Place, text: str, name: str = "configuration.yaml") -> str:
    """Write a file; return its path. Its name ends as Traefik and Envoy want it."""
    file = place.folder / name
    file.write_text(text)
    return str(file)


def _installed(name: str, package: str = "") -> str:
    """Return the path of a program of Debian's; skip the test where it is not installed."""
    path = shutil.which(name, path="/usr/sbin:/usr/bin")
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: the package {package or name})")
    return path


Start = Callable[[Place], Awaitable[list[str]]]
with_each_proxy = pytest.mark.parametrize(
    "start",
    [
        nginx,
        caddy,
        haproxy,
        pytest.param(traefik, marks=pytest.mark.deployment),
        pytest.param(envoy, marks=pytest.mark.deployment),
    ],
    ids=lambda start: start.__name__,
)


@asynccontextmanager
async def proxied(start: Start, api: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Start a proxy in front of the API; yield a client of it, at an address that is not the proxy's."""
    place = Place(free_port(), api, folder)
    environment: Mapping[str, str] = {
        "HOME": str(folder),
        "PATH": "/usr/sbin:/usr/bin:/bin",
        "XDG_DATA_HOME": str(folder),
    }
    process = await asyncio.create_subprocess_exec(*await start(place), env=environment, cwd=folder)
    transport = httpx.AsyncHTTPTransport(local_address=_CLIENT)
    try:
        base = f"http://127.0.0.1:{place.port}"
        async with httpx.AsyncClient(base_url=base, timeout=30, transport=transport) as client:
            await eventually(lambda: _answers(client), 30)
            yield client
    finally:
        process.terminate()
        await process.wait()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/livez")).status_code == 200
    except httpx.TransportError:
        return False


@with_each_proxy
async def test_a_stream_comes_as_it_happens(start: Start, api: ApiFixture, tmp_path: Path) -> None:
    """The snapshot is there at once, and a new entry while the response is still open."""
    async with (
        served(api) as direct,
        proxied(start, direct.base_url.netloc.decode(), tmp_path) as client,
        client.stream("GET", "/v1/inbox/stream", headers=api.bearer()) as answer,
        asyncio.timeout(10),
    ):
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        await _until(lines, "event: snapshot")
        await api.add(inbox_item("overbid", id="a"))
        await _until(lines, "event: new")


@with_each_proxy
async def test_the_client_is_who_the_proxy_says(start: Start, api: ApiFixture, tmp_path: Path) -> None:
    """An address that the client itself has put into X-Forwarded-For does not count."""

    async def client_address(request: Request) -> PlainTextResponse:
        assert request.client is not None
        return PlainTextResponse(request.client.host)

    api.app.add_api_route("/client-address", client_address)
    async with (
        served(api, http=HttpSettings(forwarded_allow_ips="127.0.0.1")) as direct,
        proxied(start, direct.base_url.netloc.decode(), tmp_path) as client,
    ):
        answers = [
            (await client.get("/client-address", headers=headers)).text
            for headers in ({}, {"X-Forwarded-For": _FORGED}, {"X-Forwarded-For": f"{_FORGED}, 127.0.0.1"})
        ]
    assert answers == [_CLIENT] * 3


async def _until(lines: AsyncIterator[str], wanted: str) -> None:
    async for line in lines:
        if line == wanted:
            return
    raise EOFError(wanted)
