"""The start page and the explanation of an event. Each value from an event passes through `escape`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from service.api.representations.jsonapi import timestamp
from service.model.catalogue import Catalogue
from service.model.mask import mask_text
from service.pages.shell import OWN_BRAND, Shell

Document = Mapping[str, Any]

_CSS = """
body { max-width: 1160px; margin: 0 auto; padding: 20px 20px 60px; }
header { display: flex; align-items: center; gap: 12px; margin: 0 0 20px; }
header .brand { margin: 0; font-size: 20px; } header .soft { flex: 1; margin: 0; }
main { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 20px; align-items: start; }
section { padding: 20px 22px; border: 1px solid var(--line); border-radius: 10px; background: var(--card);
  overflow-wrap: anywhere; }
section > :last-child { margin-bottom: 0; }
h1 { margin: 0 0 4px; } h2 { margin: 0 0 10px; font-size: 18px; } h3 { margin: 18px 0 4px; font-size: 16px; }
ul, ol { margin: 0 0 12px; padding: 0; list-style: none; }
.events li { padding: 10px 0; border-bottom: 1px solid var(--line); }
.events li:last-child { border: 0; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; margin: 6px 0 0; }
.chip { padding: 1px 9px; border: 1px solid var(--line); border-radius: 11px; background: var(--page);
  font-size: 13px; }
.chip.open { border-style: dashed; } .chip.failed { border-color: var(--text); font-weight: 600; }
.links { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 12px 20px; }
.links .soft { display: block; }
form { display: flex; flex-wrap: wrap; gap: 10px; margin: 0 0 14px; align-items: center; }
select { max-width: 100%; }
.wide { grid-column: 1 / -1; }
ol.steps li { display: grid; grid-template-columns: 170px minmax(0, 1fr); gap: 12px; padding: 6px 0; }
code { font: 13px/1.5 ui-monospace, Menlo, monospace; }
@media (max-width: 760px) { main, ol.steps li { grid-template-columns: minmax(0, 1fr); gap: 12px; }
  ol.steps li { gap: 0; } header { flex-wrap: wrap; } }
"""
SHELL = Shell(OWN_BRAND, _CSS, {"script-src": "'self'", "connect-src": "'self'"})
_FAILED = frozenset(("dead", "bounced", "expired", "suppressed"))


@dataclass(frozen=True, slots=True)
class StartLinks:
    """The addresses of the other parts of the stack. `mail` is empty where another relay is set."""

    mail: str
    preview: str
    metrics: str
    preferences: str


def start_page(catalogue: Catalogue, links: StartLinks, events: str) -> str:
    """Return the page; `events` is the markup of the list of events."""
    options = "".join(
        f'<option value="{type_.name}"{" selected" if type_.name == "overbid" else ""}>'
        f"{escape(type_.title)} ({type_.name})</option>"
        for type_ in catalogue
    )
    body = f"""<header><p class="brand">{SHELL.brand_mark}</p>
<p class="soft">for development, on this machine only</p><tocsin-inbox mode="bell"></tocsin-inbox></header>
<main>
<section><h1>What just happened</h1>
<p class="soft">Events of the last minutes, with what became of them. The newest is first.</p>
<div id="events" aria-live="polite">{events}</div></section>
<section><h2>Alice’s inbox</h2>
<p class="soft">Publish an event, and see it arrive here, in the bell and in the caught mail.</p>
<form id="publish"><label for="type">Event</label><select id="type" name="type">{options}</select>
<button>Publish</button><span id="result" class="soft" role="status"></span></form>
<tocsin-inbox mode="page"></tocsin-inbox></section>
<section class="wide"><h2>Look around</h2><ul class="links">{"".join(_links(links))}</ul></section>
</main>"""
    head = (
        '<script type="module" src="/assets/inbox/tocsin-inbox.js"></script>'
        '<script type="module" src="/start/start.js"></script>'
    )
    return SHELL.document("Tocsin, for development", body, head=head)


def _links(links: StartLinks) -> Iterator[str]:
    rows = (
        (links.mail, "Caught mail", "every message that the stages have sent"),
        ("/console", "Console", "what operators see and do: search, dead letters, replays, audit log"),
        (links.preview, "Template preview", "all types of mail, in both languages"),
        ("/docs", "API reference", "try the routes with a token of Alice’s"),
        ("/docs/events", "Event reference", "the topics of Kafka and their records"),
        (links.preferences, "Alice’s preferences", "the page that the footer of her mail links to"),
        (links.metrics, "Metrics", "of the API, for Prometheus"),
        ("/readyz", "Readiness", "what the API waits for, if anything"),
    )
    for url, title, text in rows:
        if url:
            yield f'<li><a href="{escape(url)}">{title}</a> <span class="soft">{text}</span></li>'


def event_list(documents: Sequence[Document], catalogue: Catalogue) -> str:
    """Return the list of events, each as `tocsin explain` describes it."""
    if not documents:
        return "<p>No event yet.</p>"
    return f'<ul class="events">{"".join(_event_row(one, catalogue) for one in documents)}</ul>'


def _event_row(document: Document, catalogue: Catalogue) -> str:
    head = document["event"]
    chips = "".join(map(_chip, _sorted(document["deliveries"])))
    return (
        f"<li><strong>{escape(_title(head, catalogue))}</strong> "
        f'<span class="soft">{_time(head)}</span> <a href="/start/explain/{quote(str(head["key"]))}"'
        f' aria-label="Why: {escape(_title(head, catalogue))}">Why?</a>'
        f'<p class="chips">{chips or "resolving …"}</p></li>'
    )


def _chip(delivery: Document) -> str:
    state = delivery["state"]
    kind = "open" if delivery["open"] else "failed" if state in _FAILED else "done"
    text = f"{_person(delivery)} · {delivery['channel']} · {state}"
    return f'<span class="chip {kind}">{escape(text)}</span>'


def explanation_page(document: Document, catalogue: Catalogue) -> str:
    """Return the page of one event: the steps of each delivery, and who was not notified and why."""
    (event,) = document["events"]
    head = event["event"]
    title, event_id = _title(head, catalogue), escape(str(head.get("id", "")))
    origin = f"event <code>{event_id}</code> from <code>{escape(str(head.get('source', '')))}</code>"
    body = f"""<header><p class="brand">{SHELL.brand_mark}</p><p class="soft"><a href="/">Start page</a></p></header>
<main><section class="wide"><h1>{escape(title)}</h1>
<p class="soft"><code>{escape(str(head.get("type", "")))}</code> · {origin} · {_time(head)}</p>
{"".join(map(_delivery, _sorted(event["deliveries"])))}{"".join(_not_made(event["not_made"]))}
<p class="soft">The same in a terminal: <code>tocsin explain {event_id}</code></p></section></main>"""
    return SHELL.document(f"Why: {title}", body)


def missing_page() -> str:
    """Return the page for an event that the ledger does not have."""
    body = (
        '<main><section class="wide"><h1>No such event</h1><p><a href="/">Start page</a></p></section></main>'
    )
    return SHELL.document("No such event", body)


def _delivery(delivery: Document) -> str:
    steps = "".join(map(_step, reversed(delivery["steps"])))
    return (
        f"<h3>{escape(_person(delivery))}, by {escape(delivery['channel'])}: {escape(delivery['state'])}</h3>"
        f"<p>{escape(delivery['reason_text'] or '')} <span class='soft'>{escape(_decided(delivery))}</span></p>"
        f'<ol class="steps">{steps}</ol>'
    )


def _decided(delivery: Document) -> str:
    return f"Decided by: {delivery['decided']}." if delivery["decided"] else ""


def _step(step: Document) -> str:
    words = (
        step["reason_text"],
        step["detail"],
        " ".join(filter(None, (step.get("relay"), step.get("reply")))),
    )
    text = " · ".join(mask_text(str(one)) for one in words if one)
    return (
        f'<li><span class="soft">{timestamp(step["at_ms"])}</span>'
        f"<span><strong>{escape(step['state'])}</strong> {escape(text)}</span></li>"
    )


def _not_made(rows: Sequence[Document]) -> Iterator[str]:
    for row in rows:
        text = mask_text(" ".join(str(value) for value in row.values() if value))
        yield f"<h3>Not notified</h3><p>{escape(text)}</p>"


def _sorted(deliveries: Sequence[Document]) -> Sequence[Document]:
    return sorted(deliveries, key=lambda one: (one["recipient"], one["channel"]))


def _title(head: Document, catalogue: Catalogue) -> str:
    type_ = catalogue.of_delivery(str(head.get("type", "")))
    return type_.title if type_ else str(head.get("type", ""))


def _time(head: Document) -> str:
    """Return when an event was received: the time of the day, in UTC; the date is its title."""
    received_ms = head.get("received_ms")
    if not received_ms:
        return ""
    stamp = timestamp(int(received_ms))
    return f'<time datetime="{stamp}" title="{stamp}">{stamp[11:19]} UTC</time>'


def _person(delivery: Document) -> str:
    name = str(delivery["recipient"])
    return name if len(name) <= 20 else f"{name[:12]}…"
