"""`tocsin listen`: outcomes at a local server, signed and in their order, also where it fails for a while."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.record import Message
from service.model.topics import TopicNames
from tests.e2e.cli.test_publish_tail import _write
from tests.e2e.cli.tocsin import Tocsin

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = event_key("/s", "e")


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Yield the URL of a server and what it received; it answers with these statuses, then with 204."""
    received: list[tuple[dict[str, str], bytes]] = []
    answers = iter(statuses)

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(next(answers, 204))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks?a=b", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _publish(tocsin: Tocsin, *outcomes: tuple[str, State]) -> None:
    topic = TopicNames(tocsin.prefix).outcomes
    records = [
        Outcome(
            delivery_id(KEY, name, "email"), KEY, "overbid", name, "email", state, 1, detail="a@example.com"
        )
        for name, state in outcomes
    ]
    _write(tocsin, topic, *(Message(topic, b"k", record.to_bytes()) for record in records))


def test_outcomes_arrive_signed_and_in_order(ready: Tocsin) -> None:
    """A 503 is retried with the same id before the next one is sent; a 400 is not; filters are those of `tail`."""
    _publish(ready, ("a", State.sent), ("b", State.bounced), ("c", State.sent), ("d", State.sent))
    with receiver(503, 200, 400) as (url, received):
        result = ready.run(
            "listen",
            "--forward-to",
            url,
            "--secret",
            SECRET,
            "--state",
            "sent",
            "--since",
            "1h",
            "--until-end",
        )

    assert result.code == 0, result.err
    assert [json.loads(body)["data"]["recipient"] for _, body in received] == ["a", "a", "c", "d"]
    assert received[0][0]["webhook-id"] == received[1][0]["webhook-id"] != received[2][0]["webhook-id"]
    for headers, body in received:
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        assert headers["content-type"] == "application/json"
        document = json.loads(body)
        assert document["type"] == "delivery.sent"
        assert document["data"]["detail"] == "a•••@e•••.com"
    assert "503" in result.err
    assert f"forwarding to {url}, signed with {SECRET}" in result.err
    assert [line.split()[0] for line in result.out.splitlines()] == ["200", "400", "204"]


def test_a_server_that_is_not_there_is_retried(ready: Tocsin, free_port: int) -> None:
    """Until it answers; a new secret is printed, where none is chosen."""
    _publish(ready, ("a", State.sent))
    process = ready.start(
        "listen", "--forward-to", f"http://127.0.0.1:{free_port}/", "--since", "1h", "--until-end"
    )
    try:
        assert process.stderr is not None
        lines = [process.stderr.readline().decode() for _ in range(3)]
        assert "signed with whsec_" in lines[0]
        assert lines[1].startswith(f"following {ready.prefix}dispatch.outcomes")
        assert "no answer (ConnectionRefusedError)" in lines[2]
        assert "retrying in 1 s" in lines[2]
    finally:
        process.kill()
        process.wait()
