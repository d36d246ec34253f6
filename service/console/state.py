"""What the routes of the console share: settings, seals, pages, and the provider that operators sign in at."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.responses import Response

from service.api.deps import ApiDeps
from service.console.openid import OpenIdProvider, SignInAttempt
from service.console.pages import PATH, Pages
from service.console.recent_outcomes import RecentOutcomes
from service.console.session import ConsoleSession, Seal, SessionSeal
from service.ports import EndedSessions, Unavailable
from service.settings import DEV_SECRET, Settings

_COOKIE, _ATTEMPT = "tocsin-console", "tocsin-console-sign-in"
_ATTEMPT_S = 600


@dataclass(frozen=True, slots=True)
class Console:
    """The console of one API process. `url` is the API's address as browsers see it."""

    settings: Settings
    url: str
    seal: Seal
    sessions: SessionSeal
    ended: EndedSessions
    pages: Pages
    provider: OpenIdProvider | None
    recent: RecentOutcomes | None

    @property
    def is_secure(self) -> bool:
        """Return whether cookies are for TLS only; without, there is but the console of `tocsin dev`."""
        return self.settings.mode != "dev" or self.url.startswith("https:")

    def origin(self, request: Request) -> str:
        """Return the origin of our pages: that of the settings, else the host that the request names."""
        if self.settings.console.url:
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.netloc}"
        return f"{request.url.scheme}://{request.headers.get('host', '')}"

    async def session(self, request: Request, now_s: float) -> ConsoleSession | None:
        """Return the caller's session; None for one that there is not, or not any more."""
        session = self.sessions.open(request.cookies.get(self._name(_COOKIE), ""), now_s)
        with suppress(Unavailable):  # while Redis is away, its operators still have to see that
            if session is not None and await self.ended.contains(session.id):
                return None
        return session

    def keep_session(self, response: Response, session: ConsoleSession | None) -> None:
        """Have the browser keep a session, or forget the one that it has."""
        self._set(response, _COOKIE, self.sessions.close(session) if session else "", None)

    def attempt(self, request: Request) -> object:
        """Return what the browser has kept of a sign-in; None for nothing of ours."""
        return self.seal.open("sign-in", request.cookies.get(self._name(_ATTEMPT), ""))

    def keep_attempt(self, response: Response, attempt: SignInAttempt | None) -> None:
        """Have the browser keep a sign-in for ten minutes, or forget it."""
        self._set(
            response, _ATTEMPT, self.seal.close("sign-in", tuple(attempt)) if attempt else "", _ATTEMPT_S
        )

    def _set(self, response: Response, name: str, text: str, max_age_s: int | None) -> None:
        age_s = max_age_s if text else 0
        response.set_cookie(
            self._name(name),
            text,
            max_age=age_s,
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self.is_secure else name


def check_settings(settings: Settings) -> None:
    """Raise ValueError for settings with which the console cannot be safe."""
    own, is_dev = settings.console, settings.mode == "dev"
    if not is_dev and not own.issuer:
        raise ValueError(
            "TOCSIN_CONSOLE__ENABLED needs TOCSIN_CONSOLE__ISSUER: there is no other way to sign in"
        )
    if not is_dev and not own.url.startswith("https://"):
        raise ValueError("TOCSIN_CONSOLE__URL must be the https address of the API as browsers see it")
    if not is_dev and (not own.secrets or DEV_SECRET in _secrets(settings)):
        raise ValueError(
            "TOCSIN_CONSOLE__SECRETS needs a secret of 32 characters or more, which seals sessions"
        )
    _provider(settings)


def make_console(deps: ApiDeps) -> Console:
    """Return the console over the API's ports. Raise ValueError for settings with which it cannot be safe."""
    settings, own = deps.settings, deps.settings.console
    check_settings(settings)
    seal, operate = Seal(_secrets(settings)), deps.operate
    return Console(
        settings=settings,
        url=_url(settings),
        seal=seal,
        sessions=SessionSeal(seal, own.idle, own.lifetime),
        ended=deps.ended_sessions,
        pages=_pages(deps),
        provider=_provider(settings),
        recent=RecentOutcomes(operate.log, operate.topics.outcomes, deps.clock) if operate else None,
    )


def renewed_console(console: Console, deps: ApiDeps) -> Console:
    """Return a console with the catalogue of these ports."""
    return replace(console, pages=_pages(deps))


def _pages(deps: ApiDeps) -> Pages:
    return Pages(deps.catalogue, deps.clock, is_dev=deps.settings.mode == "dev")


def _secrets(settings: Settings) -> Sequence[str]:
    secrets = [secret.get_secret_value() for secret in settings.console.secrets]
    return secrets or ([DEV_SECRET] if settings.mode == "dev" else [])


def _url(settings: Settings) -> str:
    own = settings.console.url.rstrip("/")
    return own or f"http://127.0.0.1:{settings.http.port}{settings.http.root_path.rstrip('/')}"


def _provider(settings: Settings) -> OpenIdProvider | None:
    own = settings.console
    return OpenIdProvider(own, f"{_url(settings)}{PATH}/callback") if own.issuer else None


def add_console(app: FastAPI, console: Console) -> None:
    """Give the routes of an application their console."""
    app.state.console = console


def console_of(request: Request) -> Console:
    """Return the console of the application that serves this request."""
    console: Console = request.app.state.console
    return console
