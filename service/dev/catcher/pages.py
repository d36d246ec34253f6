"""The pages of the web view. Everything that comes out of a mail passes through `escape`."""

from html import escape

from service.dev.catcher.mail import Address, CaughtMail
from service.dev.catcher.smtp import SIMULATOR, SIMULATOR_DOMAIN
from service.dev.catcher.store import MailStore

PAGE_SIZE = 50
VIEWS = ("html", "text", "headers", "raw")

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/static/bell.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/catcher.css">
<script src="/static/catcher.js" defer></script>
</head>
<body>
<header class="bar">
<a class="brand" href="/"><img src="/static/bell.svg" alt="" width="22" height="22">
Tocsin <span>mail catcher</span></a>
<form class="search" action="/" role="search"><input type="search" name="q" value="{query}"
 placeholder="Search, or to: from: subject:" aria-label="Search mails"></form>
<button type="button" id="delete" {hidden}>Delete all</button>
</header>
<main>{body}</main>
</body>
</html>
"""


def list_page(store: MailStore, matching: list[CaughtMail], query: str, page: int, smtp_port: int) -> str:
    """The whole page around the list."""
    body = f'<div id="live" data-query="{escape(query)}" data-page="{page}">'
    body += mail_list(store, matching, query, page, smtp_port) + "</div>"
    return _FRAME.format(
        title=f"Mails ({len(store)})", query=escape(query), body=body, hidden="" if len(store) else "hidden"
    )


def mail_list(store: MailStore, matching: list[CaughtMail], query: str, page: int, smtp_port: int) -> str:
    """The part that refreshes by itself."""
    if not matching:
        return _nothing(query, smtp_port)
    start = (page - 1) * PAGE_SIZE
    shown = matching[start : start + PAGE_SIZE]
    count = f"{len(matching)} found" if query else f"{len(store)} mails, {store.unread} unread"
    dropped = " · older ones were dropped" if store.received > store.keep <= len(store) else ""
    rows = "".join(_row(mail) for mail in shown)
    return f'<p class="count">{count}{dropped}</p><ul class="mails">{rows}</ul>' + _pager(
        query, page, start + PAGE_SIZE < len(matching)
    )


def mail_page(mail: CaughtMail, view: str) -> str:
    """One mail, with one of its VIEWS open."""
    rows = [("From", _names(mail.addresses("From")) or escape(mail.sender))]
    rows += [("To", _names(mail.addresses("To"))), ("Cc", _names(mail.addresses("Cc")))]
    rows += [("Reply to", _names(mail.addresses("Reply-To"))), ("Envelope", _envelope(mail))]
    rows += [("Received", f"{mail.received.astimezone():%Y-%m-%d %H:%M:%S} · {len(mail.raw):,} bytes")]
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows if value)
    names = {"html": "HTML", "text": "Text", "headers": "Headers", "raw": "Raw"}
    tabs = "".join(
        f'<a href="?view={key}"{" aria-current=page" if key == view else ""}>{name}</a>'
        for key, name in names.items()
    )
    subject = escape(mail.subject) or "(no subject)"
    body = f'<article class="mail"><a class="back" href="/">← All mails</a><h1>{subject}</h1><dl>{facts}</dl>'
    body += (
        f'<nav class="tabs" aria-label="Views">{tabs}</nav>{_view(mail, view)}{_attachments(mail)}</article>'
    )
    return _FRAME.format(title=subject, query="", body=body, hidden="hidden")


def _view(mail: CaughtMail, view: str) -> str:
    if view == "html":
        if not mail.content.html:
            return '<p class="absent">This mail has no HTML part.</p>'
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
        return '<p class="absent">This mail has no text part.</p>'
    return f'<pre class="text">{escape(mail.content.text)}</pre>'


def _row(mail: CaughtMail) -> str:
    sender = next(iter(mail.addresses("From")), Address("", mail.sender))
    to = ", ".join(mail.recipients)
    classes = "" if mail.read else ' class="unread"'
    return (
        f'<li{classes}><a href="/mail/{escape(mail.id)}">'
        f'<span class="who">{escape(sender.name or sender.address)}</span>'
        f'<span class="to">to {escape(to)}</span>'
        f'<span class="what"><b>{escape(mail.subject) or "(no subject)"}</b> {escape(mail.snippet)}</span>'
        f'<time datetime="{mail.received.isoformat()}">{mail.received.astimezone():%H:%M:%S}</time></a></li>'
    )


def _nothing(query: str, smtp_port: int) -> str:
    if query:
        return f'<div class="empty"><h1>Nothing found</h1><p>No mail matches “{escape(query)}”.</p></div>'
    rows = "".join(
        f"<tr><td><code>{name}@{SIMULATOR_DOMAIN}</code></td><td>{escape(case.outcome)}</td></tr>"
        for name, case in SIMULATOR.items()
    )
    return (
        '<div class="empty"><h1>No mail yet</h1>'
        f"<p>Send some to <code>127.0.0.1:{smtp_port}</code> by SMTP and it appears here.</p>"
        f'<table class="simulator"><caption>Addresses with a fixed outcome</caption>{rows}</table></div>'
    )


def _pager(query: str, page: int, more: bool) -> str:
    find = f"&amp;q={escape(query)}" if query else ""
    newer = f'<a href="/?page={page - 1}{find}">← Newer</a>' if page > 1 else ""
    older = f'<a href="/?page={page + 1}{find}">Older →</a>' if more else ""
    return f'<nav class="pager" aria-label="Pages">{newer}{older}</nav>' if newer or older else ""


def _names(addresses: list[Address]) -> str:
    return ", ".join(
        f"{escape(one.name)} <code>{escape(one.address)}</code>"
        if one.name
        else f"<code>{escape(one.address)}</code>"
        for one in addresses
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
