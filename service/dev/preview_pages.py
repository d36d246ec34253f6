"""The pages of the preview server."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import urlencode

from service.adapters.templates import Preview
from service.pages.shell import OWN_BRAND, Shell

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
body { display: grid; grid-template-columns: 270px minmax(0, 1fr); height: 100vh; font-size: 15px; }
nav { overflow: auto; border-right: 1px solid var(--line); background: var(--card); padding: 12px 8px; }
nav a { display: block; padding: 4px 10px; border-radius: 7px; color: inherit; text-decoration: none;
  overflow-wrap: anywhere; font-size: 14px; }
nav a:hover { background: var(--hover); }
[aria-current] { color: var(--link) !important; font-weight: 650; }
main { overflow: auto; padding: 20px 28px 60px; }
.tools a { display: inline-block; margin-right: 14px; color: var(--soft); }
iframe { display: block; width: 100%; height: 760px; margin: 14px 0; border: 1px solid var(--line);
  border-radius: 10px; background: #fff; }
.w360 iframe { width: 360px; } .w800 iframe { width: 800px; }
pre, td { font: 13px/1.5 ui-monospace, Menlo, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px; }
th { text-align: left; vertical-align: top; padding: 2px 16px 2px 0; font-weight: 600; white-space: nowrap; }
h2 { font-size: 16px; margin: 22px 0 6px; }
iframe { max-width: 100%; }
@media (max-width: 700px) {
  body { display: block; height: auto; } nav { max-height: 30vh; border: 0; border-bottom: 1px solid var(--line); }
  main { padding: 16px 14px 40px; } th, td { display: block; padding: 0; } td { padding-bottom: 6px; }
}
"""
_SOURCES = {"script-src": "'self'", "connect-src": "'self'", "frame-src": "'self'"}
SHELL = Shell(OWN_BRAND, _CSS, _SOURCES)


@dataclass(frozen=True, slots=True)
class PreviewChoice:
    """What is chosen on a page: a type, a locale, a brand by its key and a width, each as in the query."""

    type: str
    locale: str
    width: str = ""
    brand: str = ""


def preview_page(names: Sequence[str], brands: Sequence[str], choice: PreviewChoice, preview: Preview) -> str:
    """Return the page of one type: its HTML part, text, inbox entry, headers and size."""
    links = "".join(
        f'<a href="/preview/{escape(name)}?{_query(choice)}"{_current(name == choice.type)}>{escape(name)}</a>'
        for name in names
    )
    tools = "".join(_tool(tag, choice, locale=tag) for tag in LOCALES)
    tools += "".join(_tool(label, choice, width=width) for width, label in _WIDTHS.items())
    if brands:
        tools += "".join(_tool(key or "default", choice, brand=key) for key in ("", *brands))
    rows = "".join(
        f"<tr><th>{escape(field)}</th><td>{escape(value)}</td></tr>" for field, value in preview.headers
    )
    source = f"/preview/{escape(choice.type)}/html?{_query(replace(choice, width=''))}"
    width = f"w{choice.width}" if choice.width in _WIDTHS else ""
    body = (
        f'<nav>{links}</nav><main class="{width}"><h1>{escape(preview.subject)}</h1>'
        f'<p class="soft">{escape(preview.preheader)} · {preview.size:,} octets</p><p class="tools">{tools}</p>'
        f'<iframe title="HTML part" sandbox src="{source}"></iframe>'
        f"<h2>In the inbox</h2><pre>{escape(preview.inbox)}</pre><h2>Text</h2><pre>{escape(preview.text)}</pre>"
        f"<h2>Headers</h2><table>{rows}</table></main>"
    )
    return _frame(choice.type, body)


def error_page(detail: str) -> str:
    """Return a page with the error of a template; its script reloads it once the template is fixed."""
    return _frame("Error", f"<main><h1>No preview</h1><pre>{escape(detail)}</pre></main>")


def _frame(title: str, body: str) -> str:
    return SHELL.document(f"{title} · preview", f'{body}<script src="/reload.js"></script>')


def _tool(label: str, choice: PreviewChoice, **change: str) -> str:
    chosen = replace(choice, **change)
    return f'<a href="?{_query(chosen)}"{_current(chosen == choice)}>{escape(label)}</a>'


def _current(current: bool) -> str:
    return ' aria-current="true"' if current else ""


def _query(choice: PreviewChoice) -> str:
    """Return the query of a page: all that is chosen except the type, which is in the path."""
    values = {"locale": choice.locale, "brand": choice.brand, "width": choice.width}
    return escape(urlencode({name: value for name, value in values.items() if value}))
