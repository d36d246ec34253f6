"""The relays of the settings, in order of preference."""

from collections.abc import Sequence

from service.adapters.smtp.relay import Relay, Timeouts
from service.settings import Settings
from service.settings.relays import RelaySettings, SmtpSettings, TimeoutSettings


def relays(settings: Settings) -> Sequence[Relay]:
    """Return the relays in order of preference."""
    smtp = settings.smtp
    return [_relay(one, f"relay{n}", smtp) for n, one in enumerate((smtp, *smtp.fallbacks), start=1)]


def _timeouts(timeouts: TimeoutSettings, first: TimeoutSettings) -> Timeouts:
    """Return the timeouts of a relay: those that are not set are the first relay's."""
    timeouts = first.model_copy(update=timeouts.model_dump(exclude_unset=True))
    return Timeouts(
        connect_s=timeouts.connect,
        greeting_s=timeouts.greeting,
        mail_s=timeouts.mail,
        rcpt_s=timeouts.rcpt,
        data_s=timeouts.data,
        block_s=timeouts.block,
        final_s=timeouts.final,
        quit_s=timeouts.quit,
        tls_s=timeouts.tls,
        ehlo_s=timeouts.ehlo,
        auth_s=timeouts.auth,
    )


def _relay(one: RelaySettings, default_name: str, smtp: SmtpSettings) -> Relay:
    return Relay(
        name=one.name or default_name,
        host=one.host,
        port=one.port,
        username=one.username,
        password=one.password.get_secret_value(),
        security=one.security,
        ca_file=one.ca_file,
        verify=one.verify,
        local_hostname=smtp.local_hostname,
        max_connections=one.max_connections,
        max_mails_per_connection=one.max_mails_per_connection,
        domain_concurrency=smtp.domain_concurrency,
        rate=one.rate,
        timeouts=_timeouts(one.timeouts, smtp.timeouts),
    )
