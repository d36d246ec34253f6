"""The pages of the preview server."""

from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

from service.adapters.templates import Preview

LOCALES = ("en", "de")
_WIDTHS = {"360": "Phone", "800": "Desktop"}
SCRIPT = """
let version;
async function poll() {
  try {
    const latest = await (await fetch('/version')).text();
    if (version && latest !== version) return location.reload();
    version = latest;
  } catch { /* the server has stopped; it may start again */ }
  setTimeout(poll, 700);
}
const list = document.querySelector('nav'), savedTop = Number(sessionStorage.top || 0);
if (list) { list.scrollTop = savedTop; addEventListener('pagehide', () => { sessionStorage.top = list.scrollTop }); }
poll();
"""
_CSS = """
:root { color-scheme: light dark; --page: #f7f6f3; --card: #fff; --line: #e4e1da; --ink: #1f1d1a; --soft: #6b675f;
  --accent: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --page: #161513; --card: #1f1e1b; --line: #35322d; --ink: #ece9e3;
  --soft: #a09a8f; --accent: #fb923c; } }
* { box-sizing: border-box; }
body { margin: 0; display: grid; grid-template-columns: 270px minmax(0, 1fr); height: 100vh; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
nav { overflow: auto; border-right: 1px solid var(--line); background: var(--card); padding: 12px 8px; }
nav a { display: block; padding: 4px 10px; border-radius: 7px; color: inherit; text-decoration: none;
  overflow-wrap: anywhere; font-size: 14px; }
nav a:hover { background: var(--page); } [aria-current] { color: var(--accent) !important; font-weight: 650; }
main { overflow: auto; padding: 20px 28px 60px; }
h1 { font-size: 21px; margin: 0 0 2px; } .soft { color: var(--soft); margin: 0 0 14px; }
.tools a { display: inline-block; margin-right: 14px; color: var(--soft); }
iframe { display: block; width: 100%; height: 760px; margin: 14px 0; border: 1px solid var(--line);
  border-radius: 10px; background: #fff; }
pre, td { font: 13px/1.5 ui-monospace, Menlo, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px; }
th { text-align: left; vertical-align: top; padding: 2px 16px 2px 0; font-weight: 600; white-space: nowrap; }
h2 { font-size: 16px; margin: 22px 0 6px; }
@media (max-width: 700px) { body { display: block; height: auto; } nav { max-height: 30vh; } }
"""


def preview_page(names: Sequence[str], name: str, locale: str, width: str, preview: Preview) -> str:
    """Return the page of one type: its HTML part, text, inbox entry, headers and size."""
    links = "".join(_type_link(type_name, _query(locale, width), type_name == name) for type_name in names)
    tools = "".join(_tool(tag, _query(tag, width), tag == locale) for tag in LOCALES)
    tools += "".join(_tool(label, _query(locale, px), px == width) for px, label in _WIDTHS.items())
    rows = "".join(
        f"<tr><th>{escape(field)}</th><td>{escape(value)}</td></tr>" for field, value in preview.headers
    )
    frame = (
        f'<iframe title="HTML part" sandbox src="/preview/{escape(name)}/html?{_query(locale, "")}"></iframe>'
    )
    style = f"iframe {{ width: {width}px }}" if width in _WIDTHS else ""
    body = (
        f"<nav>{links}</nav><main><h1>{escape(preview.subject)}</h1>"
        f'<p class="soft">{escape(preview.preheader)} · {preview.size:,} octets</p><p class="tools">{tools}</p>{frame}'
        f"<h2>In the inbox</h2><pre>{escape(preview.inbox)}</pre><h2>Text</h2><pre>{escape(preview.text)}</pre>"
        f"<h2>Headers</h2><table>{rows}</table></main>"
    )
    return _frame(name, body, style)


def error_page(detail: str) -> str:
    """Return a page with the error of a template; its script reloads it once the template is fixed."""
    return _frame("Error", f"<main><h1>No preview</h1><pre>{escape(detail)}</pre></main>", "")


def _frame(title: str, body: str, style: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · preview</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_CSS}{style}</style></head>'
        f'<body>{body}<script src="/reload.js"></script></body></html>'
    )


def _type_link(name: str, query: str, current: bool) -> str:
    selected = " aria-current=page" if current else ""
    return f'<a href="/preview/{escape(name)}?{query}"{selected}>{escape(name)}</a>'


def _tool(label: str, query: str, current: bool) -> str:
    return f'<a href="?{query}"{" aria-current=true" if current else ""}>{escape(label)}</a>'


def _query(locale: str, width: str) -> str:
    return escape(urlencode({"locale": locale} | ({"width": width} if width else {})))
