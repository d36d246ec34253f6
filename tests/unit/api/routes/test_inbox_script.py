"""The script of the inbox: where it is, how long it may be kept, and who may load it."""

import base64
import gzip
import hashlib
import re

import pytest

from service.api.routes.inbox_script import FOLDER
from service.settings import HttpSettings
from tests.support.api_fixture import ApiFixture, fake_api

PATH = "/assets/inbox/tocsin-inbox.js"
SCRIPT = (FOLDER / "tocsin-inbox.js").read_bytes()


async def address(api: ApiFixture) -> str:
    manifest = (await api.client.get("/assets/inbox/manifest.json")).json()
    return f"/assets/inbox/{manifest['path']}"


async def test_the_address_of_a_version_never_changes_what_it_is(api: ApiFixture) -> None:
    """It may be kept for ever, by caches too, and loaded by a page of any origin."""
    answer = await api.client.get(await address(api), headers={"Accept-Encoding": "identity"})

    assert answer.content == SCRIPT
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in answer.headers


async def test_the_manifest(api: ApiFixture) -> None:
    """It has the hashes of the script; the address has the beginning of one."""
    answer = await api.client.get("/assets/inbox/manifest.json")
    manifest = answer.json()

    assert manifest["sha256"] == hashlib.sha256(SCRIPT).hexdigest()
    assert manifest["integrity"] == f"sha384-{base64.b64encode(hashlib.sha384(SCRIPT).digest()).decode()}"
    assert manifest["path"] == f"{manifest['version']}-{manifest['sha256'][:8]}/tocsin-inbox.js"
    assert manifest["bytes"] == len(SCRIPT)
    assert answer.headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize("path", [PATH, "/assets/inbox/0.0.9-0123abcd/tocsin-inbox.js"])
async def test_redirects(api: ApiFixture, path: str) -> None:
    """The short address leads to this version, for a while; that of another version does too."""
    answer = await api.client.get(path)

    assert answer.status_code == 302
    assert str(answer.request.url.join(answer.headers["location"])).endswith(await address(api))
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("version", ["x", "0.1.0", "..%2f..", "0.1.0-0123ABCD"])
async def test_other_addresses(api: ApiFixture, version: str) -> None:
    """404; no file beside the script can be reached."""
    answer = await api.client.get(f"/assets/inbox/{version}/tocsin-inbox.js")

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [("gzip, br", True), ("br;q=1, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("br", False)],
)
async def test_compression(api: ApiFixture, accepted: str, is_compressed: bool) -> None:
    """Gzip for clients that take it; caches are asked to keep both apart, and each has its own tag."""
    async with api.client.stream("GET", await address(api), headers={"Accept-Encoding": accepted}) as answer:
        body = b"".join([part async for part in answer.aiter_raw()])

    assert (answer.headers.get("content-encoding") == "gzip") == is_compressed
    assert (gzip.decompress(body) if is_compressed else body) == SCRIPT
    assert "Accept-Encoding" in answer.headers["vary"]
    assert answer.headers["etag"].endswith('-gzip"') == is_compressed


async def test_conditional_requests(api: ApiFixture) -> None:
    """304 with the tag of the same form."""
    path = await address(api)
    tag = (await api.client.get(path)).headers["etag"]

    assert (await api.client.get(path, headers={"If-None-Match": f'"x", W/{tag}'})).status_code == 304
    assert (await api.client.get(path, headers={"If-None-Match": '"x"'})).status_code == 200
    head = await api.client.head(path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)


async def test_with_configured_origins() -> None:
    """The response still has one Access-Control-Allow-Origin, `*`: a second one would forbid the script."""
    async with fake_api(http=HttpSettings(cors_origins="https://app.example.com")) as api:
        for path in (PATH, await address(api)):
            answer = await api.client.get(path, headers={"Origin": "https://app.example.com"})
            assert answer.headers.get_list("access-control-allow-origin") == ["*"]


def test_the_script_names_no_other_host() -> None:
    """Nothing is loaded from elsewhere; the addresses in it are names of XML and comments of Lit."""
    hosts = set(re.findall(rb"https?://([a-z0-9.-]+)", SCRIPT))

    assert hosts <= {b"www.w3.org", b"lit.dev", b"api"}
    assert b"sourceMappingURL" not in SCRIPT
