"""Check of the relays: connect with the settings of each, log in, and quit. No message is sent."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from service.cli.checks import Finding, fail, ok, warn
from service.settings import Settings

if TYPE_CHECKING:
    from service.adapters.smtp.relay import Relay

_PATIENCE_S = 10.0
_REMEDIES = {
    "auth_failed": "check the user name and the password of this relay",
    "misconfigured": "check security (none, starttls, tls), ca_file and the port of this relay",
}


async def check_smtp(settings: Settings) -> Sequence[Finding]:
    """Return a finding for each relay, in order of preference."""
    from service.bootstrap import relays

    try:
        configured = relays(settings)
    except ValueError as error:
        return [fail("smtp", str(error), "set TOCSIN_SMTP__SECURITY to starttls or tls")]
    return await asyncio.gather(*map(_connect, configured))


async def _connect(relay: "Relay") -> Finding:
    from service.adapters.smtp.connect import RelayFault, open_connection, tls_context

    name = f"smtp {relay.name}"
    where = f"{relay.host}:{relay.port}, {relay.security}"
    patient = replace(relay, timeouts=replace(relay.timeouts, connect_s=_PATIENCE_S, greeting_s=_PATIENCE_S))
    try:
        async with asyncio.timeout(2 * _PATIENCE_S):
            transport, extensions = await open_connection(patient, tls_context(patient))
    except RelayFault as fault:
        remedy = _REMEDIES.get(
            fault.reason, "start the relay, or set TOCSIN_SMTP__HOST and TOCSIN_SMTP__PORT"
        )
        return fail(name, f"{where}: {fault.detail}", remedy)
    except (
        OSError,
        TimeoutError,
    ) as error:  # a certificate file that cannot be read; a server that is silent
        return fail(name, f"{where}: {error or 'no answer in time'}", "check the relay and TOCSIN_SMTP__…")
    transport.write(b"QUIT\r\n")
    transport.close()
    if not extensions.pipelining:
        return warn(
            name, f"{where}, no PIPELINING: about four times slower", "enable PIPELINING on the relay"
        )
    return ok(name, f"{where}, PIPELINING{', as ' + relay.username if relay.username else ''}")
