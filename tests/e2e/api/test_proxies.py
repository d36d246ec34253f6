"""The configurations of docs/how-to/proxy-the-stream.md, in the proxies themselves: a stream comes as it happens."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from service.dev.ports import free_port
from tests.e2e.api.served import served
from tests.support.api_fixture import ApiFixture, inbox_item
from tests.support.paths import ROOT
from tests.support.wait import eventually

PAGE = (ROOT / "docs" / "how-to" / "proxy-the-stream.md").read_text()
API = "127.0.0.1:8000"
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


def snippet(heading: str) -> str:
    """Return the first block of a section."""
    return re.split(r"```\w*\n", PAGE[PAGE.index(f"\n## {heading}\n") :])[1].partition("```")[0]


def nginx_config(api: str, port: int, folder: Path) -> str:
    """Return nginx' configuration without TLS, which needs a certificate."""
    own = snippet("nginx").replace(API, api)
    own = re.sub(r"^ *(ssl_\w+|http2) .*\n", "", own, flags=re.MULTILINE)
    return NGINX.format(folder=folder, snippet=own.replace("listen 443 ssl", f"listen 127.0.0.1:{port}"))


def caddy_config(api: str, port: int, folder: Path) -> str:
    """Return Caddy's configuration without TLS, on a port of the test's."""
    own = snippet("Caddy").replace(API, api).replace("notify.example.com", f"http://127.0.0.1:{port}")
    return "{\n\tadmin off\n\tauto_https off\n}\n" + own


@asynccontextmanager
async def proxied(name: str, api: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Start a proxy in front of the API; yield a client of it."""
    port, file = free_port(), folder / "configuration"
    make, command = {
        "nginx": (nginx_config, ["nginx", "-c", str(file)]),
        "caddy": (caddy_config, ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]),
    }[name]
    file.write_text(make(api, port, folder))
    home: Mapping[str, str] = {
        "HOME": str(folder),
        "PATH": "/usr/sbin:/usr/bin:/bin",
        "XDG_DATA_HOME": str(folder),
    }
    process = await asyncio.create_subprocess_exec(*command, env=home)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
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


@pytest.mark.parametrize("name", ["nginx", "caddy"])
async def test_a_stream_comes_as_it_happens(name: str, api: ApiFixture, tmp_path: Path) -> None:
    """The snapshot is there at once, and a new entry while the response is still open."""
    if shutil.which(name, path="/usr/sbin:/usr/bin") is None:
        pytest.skip(f"{name} is not installed (Debian: the package {name})")
    async with (
        served(api) as direct,
        proxied(name, direct.base_url.netloc.decode(), tmp_path) as client,
        client.stream("GET", "/v1/inbox/stream", headers=api.bearer()) as answer,
        asyncio.timeout(10),
    ):
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        await _until(lines, "event: snapshot")
        await api.add(inbox_item("overbid", id="a"))
        await _until(lines, "event: new")


async def _until(lines: AsyncIterator[str], wanted: str) -> None:
    async for line in lines:
        if line == wanted:
            return
    raise EOFError(wanted)
