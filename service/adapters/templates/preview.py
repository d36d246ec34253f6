"""A preview of a type as its recipients will see it, made from the catalogue's sample."""

from dataclasses import dataclass
from email import message_from_bytes, policy

from service.adapters.templates.renderer import TemplateRenderer
from service.adapters.templates.sample import sample_delivery
from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.pages.brand import Brands
from service.settings import MailSettings


@dataclass(frozen=True, slots=True)
class Preview:
    """The parts of one email, parsed from its bytes; `size` is the size of the whole message in octets."""

    html: str
    text: str
    subject: str
    preheader: str
    inbox: str
    headers: tuple[tuple[str, str], ...]
    size: int


def render_preview(
    renderer: TemplateRenderer, mail: MailSettings, type_name: str, locale: str, brand: str = ""
) -> Preview:
    """Return the preview of a type in a locale and in the look of a brand, by its key.

    Raise KeyError for an unknown type or brand, RenderFailed.
    """
    delivery, content = render_sample(renderer, mail, type_name, locale, brand)
    message = message_from_bytes(content, policy=policy.default)
    text, html = (part.get_content() for part in message.iter_parts())
    return Preview(
        html=html,
        text=text,
        subject=str(message["Subject"]),
        preheader=renderer.line("preheader", delivery),
        inbox=renderer.inbox_line(delivery),
        headers=tuple((name, str(value)) for name, value in message.items()),
        size=len(content),
    )


def render_sample(
    renderer: TemplateRenderer, mail: MailSettings, type_name: str, locale: str, brand: str = ""
) -> tuple[Delivery, bytes]:
    """Return the delivery of a type's sample and its message. Raise as `render_preview`.

    The headers (RFC 8058) and the link to the preferences are those that the email stage adds, with fake tokens.
    """
    notification_type = renderer.library.catalogue[type_name]
    delivery = _in_brand(sample_delivery(notification_type, locale), renderer.brands, brand)
    headers = {
        "List-Unsubscribe": f"<{mail.unsubscribe_base}/unsubscribe/sample>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    preferences = f"{mail.unsubscribe_base}/preferences/sample"
    return delivery, renderer.email(
        delivery, headers if notification_type.unsubscribable else {}, preferences
    )


def _in_brand(delivery: Delivery, brands: Brands, key: str) -> Delivery:
    """Return the delivery with a source or an account of the brand."""
    if not key:
        return delivery
    table = brands.tables[key]
    if table.accounts:
        return delivery.replace(rule=AudienceRule.account, matched=table.accounts[0])
    return delivery.replace(source=table.sources[0].removesuffix("*"))
