"""The cost of rendering: microseconds of one core for a message of two parts, some 5 kB.

    python -m bench.render [--rounds N]

`ours` is everything that the email stage calls: template, layout, headers, MIME, each message with its own data. First
every type in every locale is measured, to find the slowest. Then that one and two others, with the same template,
layout and data, are measured against Jinja2 and the standard library's EmailMessage as most programs use them, and
against EmailMessage alone with finished texts. All figures are medians of single calls.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache, partial
from typing import Any

from service.adapters.catalogue_file import load_catalogue
from service.adapters.templates import TemplateRenderer
from service.adapters.templates.code_generator import PartCodeGenerator
from service.adapters.templates.environment import part_pieces
from service.adapters.templates.library import Library
from service.adapters.templates.page import Page, compile_page
from service.adapters.templates.sample import SAMPLE_MS, sample_delivery
from service.model.delivery import Delivery, json_document
from service.settings import MailSettings, TemplateSettings, templates_directory

HEADERS = {
    "List-Unsubscribe": "<http://127.0.0.1:8000/unsubscribe/eyJhbGciOiJIUzI1NiJ9.c2FtcGxlLXRva2Vu>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
PEERS = ("jinja2+EmailMessage", "EmailMessage")
CASES = (("overbid", "en"), ("invoice_available", "de"))
RUN = 5  # messages of one type in a row, as an event to several recipients causes them


def deliveries(renderer: TemplateRenderer, type_: str, locale: str, count: int) -> list[Delivery]:
    """Return `count` deliveries of a type, no two with the same data."""
    base = sample_delivery(renderer.library.catalogue[type_], locale)
    result = []
    for number in range(count):
        data = dict(base.data)
        for name, value in data.items():
            if isinstance(value, float):
                data[name] = value + number / 100
            elif name.endswith("_id"):
                data[name] = f"{value}-{number}"
        name, address = f"Recipient Number {number}", f"r{number}@example.com"
        result.append(base.replace(document=json_document(data), name=name, address=address))
    return result


def jinja_and_email_message(renderer: TemplateRenderer, delivery: Delivery) -> bytes:
    """Render both texts with Jinja2, and build the message with EmailMessage."""
    page = text_page(renderer.library, delivery.type, delivery.locale)
    values = renderer._values(renderer.library, page, delivery)
    values["unsubscribe"] = HEADERS["List-Unsubscribe"][1:-1]
    subject = page.block("subject", values)
    values["subject"] = subject
    return email_message(
        delivery, subject, "".join(part_pieces(page.text, values)), "".join(part_pieces(page.html, values))
    )


@cache
def text_page(library: Library, type_: str, locale: str) -> Page:
    """Return a page whose bodies are text, not encoded."""
    source = (templates_directory() / type_ / f"{locale}.j2").read_text("utf-8")
    return compile_page(type_, locale, source, library.layout(type_, locale), PartCodeGenerator)


def email_message(delivery: Delivery, subject: str, text: str, html: str) -> bytes:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = "Tocsin <notifications@tocsin.test>"
    message["To"] = f"{delivery.name} <{delivery.address}>"
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.fromtimestamp(SAMPLE_MS / 1000, UTC))
    message["Message-ID"] = f"<{delivery.id}@tocsin.test>"
    message["Auto-Submitted"] = "auto-generated"
    for name, value in HEADERS.items():
        message[name] = value
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message.as_bytes()


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - start) / 1000


def equal(ours: bytes, theirs: bytes) -> bool:
    """Return whether two messages have the same subject and texts, so that equal work is compared."""
    messages = [message_from_bytes(data, policy=policy.default) for data in (ours, theirs)]
    bodies = [[part.get_content().strip() for part in message.iter_parts()] for message in messages]
    return bodies[0] == bodies[1] and messages[0]["Subject"] == messages[1]["Subject"]


def compare(renderer: TemplateRenderer, type_: str, locale: str, rounds: int) -> dict[str, float]:
    """Return the median µs of each side, and the size of the message."""
    times: dict[str, list[float]] = {name: [] for name in ("ours", *PEERS)}
    todo = deliveries(renderer, type_, locale, rounds * 20)
    for delivery in todo[:rounds]:
        rendered = renderer.email(delivery, HEADERS)
        message = message_from_bytes(rendered, policy=policy.default)
        text, html = (part.get_content() for part in message.iter_parts())
        assert equal(rendered, jinja_and_email_message(renderer, delivery))
        times["jinja2+EmailMessage"].append(timed(partial(jinja_and_email_message, renderer, delivery)))
        subject = str(message["Subject"])
        times["EmailMessage"].append(timed(partial(email_message, delivery, subject, text, html)))
    times["ours"] = [timed(partial(renderer.email, delivery, HEADERS)) for delivery in todo[rounds:]]
    return {name: round(statistics.median(us), 1) for name, us in times.items()} | {"bytes": len(rendered)}


def survey(renderer: TemplateRenderer, rounds: int) -> dict[tuple[str, str], float]:
    """Return the median µs of every type and locale, slowest first. They take turns, as the machine's speed varies."""
    library = renderer.library
    pairs = [(type_.name, locale) for type_ in library.catalogue for locale in library.locales(type_.name)]
    todo = {pair: iter(deliveries(renderer, *pair, RUN * (rounds + 1))) for pair in pairs}
    times: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    for turn in range(rounds + 1):  # the first warms up
        for pair, pending in todo.items():
            run_us = [timed(partial(renderer.email, next(pending), HEADERS)) for _ in range(RUN)]
            times[pair] += run_us if turn else []
    medians = {pair: statistics.median(us) for pair, us in times.items()}
    return dict(sorted(medians.items(), key=lambda item: -item[1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    renderer = TemplateRenderer(MailSettings(), TemplateSettings(), load_catalogue(templates_directory()))
    gc.freeze()
    medians = survey(renderer, max(1, rounds // RUN))
    slowest = next(iter(medians))
    cases = dict.fromkeys((*CASES, slowest))
    results = {f"{type_}/{locale}": compare(renderer, type_, locale, rounds) for type_, locale in cases}
    print(
        f"{len(medians)} messages (every type and locale): median {statistics.median(medians.values()):.1f} µs, "
        f"the slowest {'/'.join(slowest)} {medians[slowest]:.1f} µs"
    )
    print(
        f"{'median µs per message':24} {'bytes':>7} {'ours':>8} {'jinja2+EmailMessage':>20} {'EmailMessage':>13}"
    )
    for case, row in results.items():
        ours, jinja2, email_only = row["ours"], row["jinja2+EmailMessage"], row["EmailMessage"]
        shares = f"{jinja2:>12} ({jinja2 / ours:4.0f}x) {email_only:>6} ({email_only / ours:3.0f}x)"
        print(f"{case:24} {row['bytes']:>7} {ours:>8} {shares}")
    against = {peer: {case: row[peer] for case, row in results.items()} for peer in PEERS}
    own = {case: row["ours"] for case, row in results.items()}
    line = {"bench": "render", "unit": "us", "ours": own, "against": against, "lost": 0, "duplicates": 0}
    print(json.dumps({**line, "slowest": {"/".join(slowest): round(medians[slowest], 1)}}))


if __name__ == "__main__":
    main()
