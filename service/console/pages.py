"""The pages of the console: templates, what every template has, and the headers of every page.

Each value passes through `_visible`: what could control a page or the order of its text becomes an escape that can be
seen. Then it is escaped as HTML.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from service.console.access import PERSONAL, READ, WRITE
from service.console.assets import asset_path
from service.console.session import ConsoleSession
from service.model.catalogue import DIGEST_TYPE, Catalogue
from service.model.ledger import State
from service.model.mask import printable
from service.model.relay import RelayState
from service.model.validators import MAX_TIME_MS
from service.model.worker import StageState
from service.pipeline.operate.dead_letters import OPEN, STATUS_NAMES
from service.pipeline.operate.operations import OperationState
from service.pipeline.operate.problems import Severity
from service.ports import Clock

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
PATH = "/console"
_PLACES = (
    ("", "Overview", READ),
    ("/search", "Search", READ),
    ("/deliveries", "Deliveries", READ),
    ("/waiting", "Waiting", READ),
    ("/tail", "Live", READ),
    ("/dead-letters", "Dead letters", READ),
    ("/replays", "Replay", WRITE),
    ("/suppressions", "Suppressions", READ),
    ("/what-if", "What if", READ),
    ("/privacy", "Export and erase", PERSONAL),
    ("/audit", "Audit log", READ),
)
"""Path, name, and the right that a page needs."""
_KNOWN_STATES = frozenset(
    (*State, *RelayState, *StageState, *OperationState, *Severity, OPEN, *STATUS_NAMES.values())
)
_LONGEST = 400
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Pages:
    """Renderer of the templates. `context` of a template is what it needs besides `session`, `now_ms` and so on."""

    def __init__(self, catalogue: Catalogue, clock: Clock, *, is_dev: bool) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_visible,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            one.__name__: one for one in (own, kept, lines, stamp, moment, span, count, choices)
        }
        self._environment.globals |= {
            "READ": READ,
            "WRITE": WRITE,
            "PERSONAL": PERSONAL,
            "is_dev": is_dev,
            "types": {one.name: one.title for one in catalogue},
            "delivery_types": {one.name: one.title for one in (*catalogue, DIGEST_TYPE)},
            "places": _PLACES,
            "known_states": _KNOWN_STATES,
        }

    def render(
        self,
        request: Request,
        template: str,
        context: Mapping[str, Any] | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """Return a page, or the part of one that htmx has asked for."""
        root = str(request.scope.get("root_path", "")).rstrip("/")
        session: ConsoleSession | None = getattr(request.state, "session", None)

        def link(path: str, **query: object) -> str:
            fields = {name: value for name, value in query.items() if value not in ("", None)}
            return f"{root}{PATH}{quote(path)}{'?' + urlencode(fields) if fields else ''}"

        def csrf() -> Markup:
            return Markup('<input type="hidden" name="csrf" value="{}">').format(
                session.token if session else ""
            )

        text = self._environment.get_template(template).render(
            session=session,
            link=link,
            csrf=csrf,
            asset=lambda name: f"{root}{asset_path(name)}",
            now_ms=self._clock.now_ms(),
            path=request.scope["path"][len(root) :],
            **(context or {}),
        )
        return HTMLResponse(text, status, headers={**HEADERS, **(headers or {})})


def _visible(value: Any) -> Any:
    """Return a value of a template as it may be shown."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value


def own(value: object) -> Markup:
    """Return text of others, isolated: its direction does not change that of what is around it.

    A long one is cut, because no id or reply needs more.
    """
    text = str(value)
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
    return Markup("<bdi>{}</bdi>").format(escape(printable(shown)))


def kept(value: object) -> Markup:
    """Return what an operator has typed, as it is: the value of a field goes back as it came."""
    return escape(str(value))


def lines(text: str) -> Markup:
    """Return text of several lines, each of them visible as `_visible` has it."""
    return escape("\n".join(printable(line.expandtabs(4)) for line in text.split("\n")))


def stamp(at_ms: float) -> str:
    """Return a time as people read it, in UTC."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(at_ms)


def moment(at_ms: float | None, now_ms: float) -> Markup:
    """Return a time relative to now, with the time itself in its title; empty for none."""
    if not at_ms:
        return Markup("")
    distance_s = (now_ms - at_ms) / 1000
    rough = " ".join(span(abs(distance_s)).split()[:2])
    text = f"{rough} ago" if distance_s >= 1 else f"in {rough}" if distance_s <= -1 else "now"
    return Markup('<time title="{}">{}</time>').format(stamp(at_ms), text)


def span(duration_s: float) -> str:
    """Return a duration in its largest unit, and the next below ten of it: `3 d`, `2 h 5 min`."""
    left = max(0, round(duration_s))
    for index, (size, name) in enumerate(_UNITS):
        if left >= size:
            whole, rest = divmod(left, size)
            below = _UNITS[index + 1] if index + 1 < len(_UNITS) else None
            more = f" {rest // below[0]} {below[1]}" if below and whole < 10 and rest // below[0] else ""
            return f"{whole} {name}{more}"
    return "0 s"


def choices(filters: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Return the filters of an operation as people read them: lists as words, times as times, and no empty one."""
    shown = []
    for name, value in filters.items():
        if isinstance(value, list | tuple):
            text = ", ".join(map(str, value))
        elif name.endswith("_ms"):
            text = stamp(value) if isinstance(value, int) and 0 < value < MAX_TIME_MS else ""
        else:
            text = str(value)
        if text:
            shown.append((name.removesuffix("_ms").replace("_", " "), text))
    return shown


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
