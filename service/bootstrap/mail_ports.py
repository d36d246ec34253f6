"""What renders mail, and what hands it to relays.

Their libraries are imported when one is made, since most processes make neither.
"""

from typing import TYPE_CHECKING

from service.adapters.redis.client import Store
from service.adapters.redis.delivery.sending_rate import RedisSendingRate
from service.adapters.template_files import TemplateFiles
from service.model.catalogue import Catalogue
from service.pages.brand import Brands
from service.ports import RelayTransport
from service.settings import Settings

if TYPE_CHECKING:
    from service.adapters.templates import TemplateRenderer


def template_renderer(
    settings: Settings, files: TemplateFiles, catalogue: Catalogue, brands: Brands, *, signed: bool
) -> "TemplateRenderer":
    """Return the renderer of the templates in these files. Raise TemplateFault, or ValueError for an invalid DKIM key.

    `signed`: messages have DKIM signatures.
    """
    from service.adapters.dkim import dkim_signer  # noqa: PLC0415 - see above
    from service.adapters.templates import TemplateRenderer  # noqa: PLC0415 - see above

    mail = settings.mail
    sign = dkim_signer(mail) if signed else None
    return TemplateRenderer(mail, settings.templates, catalogue, sign, brands, files=files)


def smtp_transport(settings: Settings, store: Store) -> RelayTransport:
    """Return the transport to the relays, which connects to none until it is started."""
    from service.adapters.smtp.relay_list import relays  # noqa: PLC0415 - see above
    from service.adapters.smtp.transport import SmtpTransport  # noqa: PLC0415 - see above

    smtp, listed = settings.smtp, relays(settings)
    rates = {relay.name: relay.rate for relay in listed if relay.rate}
    limited = rates or smtp.domain_rates or smtp.domain_rate
    limit = RedisSendingRate(store, rates, smtp.domain_rates, smtp.domain_rate) if limited else None
    return SmtpTransport(listed, limit=limit)
