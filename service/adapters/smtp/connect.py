"""Open a connection to a relay: TCP here; aiosmtplib reads the greeting, negotiates TLS and authenticates."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiosmtplib

from service.adapters.smtp.envelope import Extensions
from service.adapters.smtp.local_name import local_name
from service.adapters.smtp.relay import Relay
from service.adapters.smtp.replies import to_reply
from service.model.classifier import Fault, SmtpPhase, classify
from service.model.reasons import Reason, ResultReason, SendReason
from service.model.relay import RelayState

_NO_SUCH_MECHANISM = 504  # RFC 4954 section 4

_Address = tuple[Any, ...]
"""Family, type, protocol, canonical name and socket address, as `getaddrinfo` returns them."""
_answered: dict[tuple[str, int], _Address] = {}
"""The address that answered last, by host and port: a silent one before it would cost each connection a timeout."""


class RelayFault(Exception):
    """A relay could not be made ready for mail.

    `state` is the state that it must take, `step` the one that failed, `silent`: by no answer in time.
    """

    def __init__(
        self,
        state: RelayState,
        reason: ResultReason,
        detail: str,
        step: str = "connect",
        *,
        silent: bool = False,
    ) -> None:
        super().__init__(detail)
        self.state = state
        self.reason = reason
        self.detail = detail
        self.step = step
        self.silent = silent


def tls_context(relay: Relay) -> ssl.SSLContext | None:
    """Return the TLS settings of a relay. Call once per relay: reading the system's certificates takes some 20 ms."""
    if relay.security == "none":
        return None
    context = ssl.create_default_context(cafile=relay.ca_file)
    if not relay.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def open_connection(
    relay: Relay, context: ssl.SSLContext | None
) -> tuple[asyncio.Transport, Extensions]:
    """Return a transport ready for MAIL, and the extensions offered. Raise RelayFault; never leave a socket open.

    Each address of the relay is tried until one answers (RFC 5321 section 5.1), first the one that answered before.
    STARTTLS and AUTH are never skipped: a relay that does not offer what the settings demand is misconfigured.
    """
    fault = RelayFault(RelayState.breaker_open, Reason.relay_unavailable, "no address")
    addresses = await _addresses(relay)
    known = _answered.get((relay.host, relay.port))
    for address in sorted(addresses, key=lambda address: address != known):
        try:
            opened = await _open(relay, context, address)
        except RelayFault as failed:
            if failed.state is not RelayState.breaker_open:
                raise
            fault = failed
        else:
            _answered[relay.host, relay.port] = address
            return opened
    raise fault


async def _open(
    relay: Relay, context: ssl.SSLContext | None, address: _Address
) -> tuple[asyncio.Transport, Extensions]:
    """Do what `open_connection` does, at one address."""
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        local_hostname=relay.local_hostname or await asyncio.to_thread(local_name),
        use_tls=relay.security == "tls",
        start_tls=False,
        tls_context=context,
    )
    step = _Step()
    try:
        await _handshake(client, relay, address, step)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        client.close()
        raise _fault(error, step) from error
    except BaseException:
        client.close()
        raise
    transport = client.transport
    if transport is None or transport.is_closing():
        client.close()
        raise RelayFault(
            RelayState.breaker_open, Reason.relay_unavailable, "closed after the greeting", step.name
        )
    # The cast: uvloop's transports do not inherit from asyncio.Transport.
    return cast(asyncio.Transport, transport), _extensions(client)


@dataclass(slots=True)
class _Step:
    """The step before the first MAIL that is being taken, for the text of a fault, and the phase that is asked for."""

    name: str = "connect"
    phase: SmtpPhase = SmtpPhase.greeting


async def _handshake(client: aiosmtplib.SMTP, relay: Relay, address: _Address, step: _Step) -> None:
    """Take every step up to MAIL, each within its own time."""
    times = relay.timeouts
    sock = await _connect_tcp(relay, address)
    step.name = "greeting"
    if relay.security == "tls":  # aiosmtplib does the handshake and reads the greeting in one call
        step.name = "TLS and greeting"
        async with asyncio.timeout(times.tls_s + times.greeting_s):
            await client.connect(port=None, sock=sock, timeout=max(times.tls_s, times.greeting_s))
    else:
        await client.connect(port=None, sock=sock, timeout=times.greeting_s)
    await _say_hello(client, times.ehlo_s, step)
    if relay.security == "starttls":
        step.name, step.phase = "STARTTLS", SmtpPhase.starttls
        await client.starttls(timeout=times.tls_s)
        await _say_hello(client, times.ehlo_s, step)
    if relay.username:
        step.name, step.phase = "AUTH", SmtpPhase.auth
        await _log_in(client, relay)


async def _say_hello(client: aiosmtplib.SMTP, timeout_s: float, step: _Step) -> None:
    """Send EHLO, and HELO if the relay refuses it for good (RFC 5321 section 3.2)."""
    step.name, step.phase = "EHLO", SmtpPhase.ehlo
    try:
        await client.ehlo(timeout=timeout_s)
    except aiosmtplib.SMTPHeloError as error:
        if error.code < 500 or not client.is_connected:
            raise
        await client.helo(timeout=timeout_s)


async def _log_in(client: aiosmtplib.SMTP, relay: Relay) -> None:
    """Log in by the first mechanism that succeeds: some servers offer one that they cannot do, and refuse it.

    A server that closes the connection after a refusal has refused us: it is not unavailable.
    """
    refusal: aiosmtplib.SMTPAuthenticationError | None = None
    for mechanism in client.supported_auth_methods:
        log_in = getattr(client, f"auth_{mechanism.replace('-', '')}")
        try:
            await log_in(relay.username, relay.password, timeout=relay.timeouts.auth_s)
        except aiosmtplib.SMTPAuthenticationError as error:
            refusal = refusal if refusal is not None and refusal.code != _NO_SUCH_MECHANISM else error
        except aiosmtplib.SMTPServerDisconnected:
            if refusal is None:
                raise
            break
        else:
            return
    raise refusal or aiosmtplib.SMTPException("the relay offers no AUTH mechanism that we know")


async def _addresses(relay: Relay) -> Sequence[_Address]:
    """Return the addresses of a relay in order of preference. Raise RelayFault."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(relay.timeouts.connect_s):
            found = await loop.getaddrinfo(relay.host, relay.port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError, UnicodeError a ValueError
        raise _fault(error, _Step()) from error
    return found


async def _connect_tcp(relay: Relay, address: _Address) -> socket.socket:
    """Return a connected socket."""
    family, kind, protocol, _, place = address
    candidate = socket.socket(family, kind, protocol)
    with _closed_on_failure(candidate):
        candidate.setblocking(False)
        async with asyncio.timeout(relay.timeouts.connect_s):
            await asyncio.get_running_loop().sock_connect(candidate, place)
    return candidate


@contextlib.contextmanager
def _closed_on_failure(candidate: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        candidate.close()
        raise


def _extensions(client: aiosmtplib.SMTP) -> Extensions:
    """Read the reply to EHLO (RFC 5321 section 4.1.1.1). A SIZE without a valid number counts as no limit."""
    offers = client.esmtp_extensions
    size = offers.get("size")
    return Extensions(
        pipelining="pipelining" in offers,
        eightbit="8bitmime" in offers,
        smtputf8="smtputf8" in offers,
        dsn="dsn" in offers,
        size=None if size is None else int(size) if size.isascii() and size.isdigit() else 0,
    )


def _fault(error: Exception, taken: _Step) -> RelayFault:
    """Return the state and reason that a failure before the first MAIL gives the relay."""
    detail, step = _detail(error), taken.name
    if isinstance(error, TimeoutError):
        detail = f"no answer in time: {step}"
        return RelayFault(RelayState.breaker_open, Reason.relay_unavailable, detail, step, silent=True)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        if not 400 <= error.code <= 599:  # malformed, or none at all
            return RelayFault(RelayState.breaker_open, Reason.relay_unavailable, detail, step)
        return RelayFault(*_refusal(error, taken.phase), detail, step)
    if _is_certificate_error(error) or not isinstance(error, OSError):
        return RelayFault(RelayState.misconfigured, SendReason.misconfigured, detail, step)
    return RelayFault(RelayState.breaker_open, Reason.relay_unavailable, detail, step)


def _refusal(error: aiosmtplib.SMTPResponseException, phase: SmtpPhase) -> tuple[RelayState, ResultReason]:
    """Return the state and reason that a refusal gives the relay: one for a while, or of too much, is no fault of ours.

    What the table does not know names no cause: then the settings are the first to be checked.
    """
    raw = error.message.encode("utf-8", "surrogateescape")  # as aiosmtplib decodes it
    diagnosis = classify(to_reply(error.code, raw), phase)
    limited = diagnosis.fault is Fault.rate or diagnosis.reason is Reason.rate_limited
    if error.code < 500 or limited:
        known = diagnosis.fault.ours or limited
        return RelayState.cooldown, diagnosis.reason if known else Reason.relay_unavailable
    reason = diagnosis.reason if diagnosis.fault.ours else SendReason.misconfigured
    return RelayState.misconfigured, reason


def _is_certificate_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _detail(error: Exception) -> str:
    """Return one line for readiness; it may hold the text of a reply, never anything that we sent."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"{error.code} {error.message}"
    else:
        text = f"{type(error).__name__}: {error}"
    return "".join(character if character.isprintable() else " " for character in text)[:200]
