"""The pages of the web view. Each value from a message passes through `escape`."""

from html import escape
from pathlib import Path

from service.dev.catcher.mail import Address, CaughtMail
from service.dev.catcher.smtp import SIMULATOR, SIMULATOR_DOMAIN
from service.dev.catcher.store import MailStore
from service.pages.shell import OWN_BRAND, Shell

PAGE_SIZE = 50
VIEWS = ("html", "text", "headers", "raw")

_SOURCES = {"script-src": "'self'", "connect-src": "'self'", "img-src": "'self'", "frame-src": "'self'"}
_CSS = Path(__file__).with_name("static").joinpath("catcher.css").read_text("utf-8")
SHELL = Shell(OWN_BRAND, _CSS, _SOURCES)
_HEAD = '<link rel="icon" href="/static/bell.svg" type="image/svg+xml"><script src="/static/catcher.js" defer></script>'
_BODY = """<header class="bar">
<a class="brand" href="/"><img src="/static/bell.svg" alt="" width="22" height="22">
Tocsin <span>mail catcher</span></a>
<form class="search" action="/" role="search"><input type="search" name="q" value="{query}"
 placeholder="Search, or to: from: subject:" aria-label="Search messages"></form>
<button type="button" class="quiet" id="delete" {hidden}>Delete all</button>
</header>
<main>{content}</main>"""


def list_page(store: MailStore, matching: list[CaughtMail], query: str, page: int, smtp_port: int) -> str:
    """Return the whole page around the list."""
    mails = mail_list(store, matching, query, page, smtp_port)
    content = f'<div id="live" data-query="{escape(query)}" data-page="{page}">{mails}</div>'
    return _page(f"Messages ({len(store)})", content, query=query, deletable=bool(len(store)))


def mail_list(store: MailStore, matching: list[CaughtMail], query: str, page: int, smtp_port: int) -> str:
    """Return the part of the page that the script refreshes."""
    if not matching:
        return _empty_list(query, smtp_port)
    start = (page - 1) * PAGE_SIZE
    plural = "" if len(store) == 1 else "s"
    count = f"{len(matching)} matching" if query else f"{len(store)} message{plural}, {store.unread} unread"
    dropped = " · older messages were dropped" if store.received > store.keep <= len(store) else ""
    rows = "".join(_list_item(mail) for mail in matching[start : start + PAGE_SIZE])
    return f'<p class="count">{count}{dropped}</p><ul class="mails">{rows}</ul>' + _pager(
        query, page, start + PAGE_SIZE < len(matching)
    )


def mail_page(mail: CaughtMail, view: str) -> str:
    """Return the page of one message, with one of VIEWS open."""
    rows = [("From", _address_list(mail.addresses("From")) or escape(mail.sender))]
    rows += [("To", _address_list(mail.addresses("To"))), ("Cc", _address_list(mail.addresses("Cc")))]
    rows += [("Reply to", _address_list(mail.addresses("Reply-To"))), ("Envelope", _envelope(mail))]
    rows += [("Received", f"{mail.received_at.astimezone():%Y-%m-%d %H:%M:%S} · {len(mail.raw):,} bytes")]
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows if value)
    names = {"html": "HTML", "text": "Text", "headers": "Headers", "raw": "Raw"}
    tabs = "".join(
        f'<a href="?view={key}"{" aria-current=page" if key == view else ""}>{name}</a>'
        for key, name in names.items()
    )
    subject = mail.subject or "(no subject)"
    content = (
        f'<article class="mail"><a class="back" href="/">← All messages</a><h1>{escape(subject)}</h1>'
        f'<dl>{facts}</dl><nav class="tabs" aria-label="Views">{tabs}</nav>{_view(mail, view)}{_attachments(mail)}'
        "</article>"
    )
    return _page(subject, content)


def missing_page() -> str:
    """Return the page for a message that does not exist."""
    return _page(
        "No such message",
        '<div class="empty"><h1>No such message</h1><p><a href="/">All messages</a></p></div>',
    )


def _page(title: str, content: str, *, query: str = "", deletable: bool = False) -> str:
    hidden = "" if deletable else "hidden"
    return SHELL.document(
        title, _BODY.format(query=escape(query), content=content, hidden=hidden), head=_HEAD
    )


def _view(mail: CaughtMail, view: str) -> str:
    if view == "html":
        if not mail.content.html:
            return '<p class="missing">This message has no HTML part.</p>'
        sandbox = "allow-popups allow-popups-to-escape-sandbox"
        return f'<iframe title="HTML part" sandbox="{sandbox}" src="/mail/{escape(mail.id)}/html"></iframe>'
    if view == "headers":
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in mail.headers
        )
        return f'<div class="scroll"><table class="headers">{rows}</table></div>'
    if view == "raw":
        return f"<pre>{escape(mail.raw.decode('utf-8', 'replace'))}</pre>"
    if not mail.content.text:
        return '<p class="missing">This message has no text part.</p>'
    return f'<pre class="text">{escape(mail.content.text)}</pre>'


def _list_item(mail: CaughtMail) -> str:
    sender = next(iter(mail.addresses("From")), Address("", mail.sender))
    to = ", ".join(mail.recipients)
    classes = "" if mail.read else ' class="unread"'
    return (
        f'<li{classes}><a href="/mail/{escape(mail.id)}">'
        f'<span class="sender">{escape(sender.name or sender.address)}</span>'
        f'<span class="to">to {escape(to)}</span>'
        f'<span class="summary"><b>{escape(mail.subject) or "(no subject)"}</b> {escape(mail.snippet)}</span>'
        f'<time datetime="{mail.received_at.isoformat()}">{mail.received_at.astimezone():%H:%M:%S}</time></a></li>'
    )


def _empty_list(query: str, smtp_port: int) -> str:
    if query:
        return f'<div class="empty"><h1>No results</h1><p>No message matches “{escape(query)}”.</p></div>'
    rows = "".join(
        f"<tr><td><code>{name}@{SIMULATOR_DOMAIN}</code></td><td>{escape(reply.outcome)}</td></tr>"
        for name, reply in SIMULATOR.items()
    )
    return (
        '<div class="empty"><h1>No mail yet</h1>'
        f"<p>Send a message to <code>127.0.0.1:{smtp_port}</code> by SMTP and it appears here.</p>"
        f'<table class="simulator"><caption>Addresses with a fixed outcome</caption>{rows}</table></div>'
    )


def _pager(query: str, page: int, more: bool) -> str:
    search = f"&amp;q={escape(query)}" if query else ""
    newer = f'<a href="/?page={page - 1}{search}">← Newer</a>' if page > 1 else ""
    older = f'<a href="/?page={page + 1}{search}">Older →</a>' if more else ""
    return f'<nav class="pager" aria-label="Pages">{newer}{older}</nav>' if newer or older else ""


def _address_list(addresses: list[Address]) -> str:
    return ", ".join(
        f"{escape(address.name)} <code>{escape(address.address)}</code>"
        if address.name
        else f"<code>{escape(address.address)}</code>"
        for address in addresses
    )


def _envelope(mail: CaughtMail) -> str:
    to = ", ".join(mail.recipients)
    return f"<code>{escape(mail.sender or '<>')}</code> → <code>{escape(to)}</code>"


def _attachments(mail: CaughtMail) -> str:
    items = "".join(
        f"<li>{escape(part.file_name or part.content_type)} <span>{len(part.data):,} bytes</span></li>"
        for part in mail.content.attachments
    )
    return f'<ul class="attachments">{items}</ul>' if items else ""
