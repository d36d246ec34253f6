"""Check of the relays: connect with the settings of each, log in, and quit. No message is sent."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from service.cli.checks import Finding, fail, ok, warn
from service.model.relay import REMEDIES
from service.settings import Settings

if TYPE_CHECKING:
    from service.adapters.smtp.relay import Relay

_PATIENCE_S = 10.0
_BY_ITSELF = "it is retried by itself"


async def check_smtp(settings: Settings) -> Sequence[Finding]:
    """Return a finding for each relay, in order of preference."""
    from service.adapters.smtp.relay_list import relays

    try:
        configured = relays(settings)
    except ValueError as error:
        return [fail("smtp", str(error), "set TOCSIN_SMTP__SECURITY to starttls or tls")]
    return await asyncio.gather(*(_connect(relay, settings) for relay in configured))


async def _connect(relay: "Relay", settings: Settings) -> Finding:
    from service.adapters.smtp.connect import RelayFault, open_connection, tls_context

    name = f"smtp {relay.name}"
    where = f"{relay.host}:{relay.port}, {relay.security}"
    patient = replace(
        relay,
        timeouts=replace(relay.timeouts, connect_s=_PATIENCE_S, greeting_s=_PATIENCE_S, ehlo_s=_PATIENCE_S),
    )
    try:
        async with asyncio.timeout(2 * _PATIENCE_S):
            transport, extensions = await open_connection(patient, tls_context(patient))
    except RelayFault as fault:
        remedy = REMEDIES.get(fault.reason, _BY_ITSELF)
        return fail(name, f"{where}: {fault.detail}", remedy)
    except (
        OSError,
        TimeoutError,
    ) as error:  # a certificate file that cannot be read; a server that is silent
        return fail(name, f"{where}: {error or 'no answer in time'}", "check the relay and TOCSIN_SMTP__…")
    transport.write(b"QUIT\r\n")
    transport.close()
    if not extensions.pipelining and settings.mode == "dev":
        return ok(name, f"{where}, no PIPELINING, as the mail catcher")
    if not extensions.pipelining:
        return warn(
            name, f"{where}, no PIPELINING: about four times slower", "enable PIPELINING on the relay"
        )
    return ok(name, f"{where}, PIPELINING{', as ' + relay.username if relay.username else ''}")


async def check_local_name(settings: Settings) -> Sequence[Finding]:
    """Check the name in EHLO as a relay does: it is qualified, and it resolves to an address of this host.

    A relay on this machine does not care.
    """
    from service.adapters.smtp.local_name import addresses_of, is_qualified, local_name, own_address
    from service.adapters.smtp.relay import is_loopback

    if all(is_loopback(one.host) for one in (settings.smtp, *settings.smtp.fallbacks)):
        return []

    name = settings.smtp.local_hostname or await asyncio.to_thread(local_name)
    remedy = "set TOCSIN_SMTP__LOCAL_HOSTNAME to the name of the address that relays see"
    if name.startswith("[") and name.endswith("]"):
        return [
            warn(
                "EHLO name",
                f"{name}: this host has no qualified name; some servers refuse an address",
                remedy,
            )
        ]
    if not is_qualified(name):
        return [fail("EHLO name", f"{name} is not a fully qualified name: many servers refuse it", remedy)]
    addresses = await asyncio.to_thread(addresses_of, name)
    if not addresses:
        return [warn("EHLO name", f"{name} does not resolve: some servers refuse it", remedy)]
    if (own := await asyncio.to_thread(own_address)) not in addresses:
        listed = ", ".join(sorted(addresses))
        return [
            warn("EHLO name", f"{name} resolves to {listed}, not to {own}: right only behind NAT", remedy)
        ]
    return [ok("EHLO name", f"{name}, {own}")]
