"""A type as its readers will see it, from the catalogue's sample."""

from dataclasses import dataclass
from email import message_from_bytes, policy

from service.adapters.templates.renderer import TemplateRenderer
from service.adapters.templates.sample import sample_delivery
from service.model.delivery import Delivery
from service.settings import MailSettings


@dataclass(frozen=True, slots=True)
class Preview:
    """The parts of one mail, read back out of its bytes; `size` is that of the whole in octets."""

    html: str
    text: str
    subject: str
    preheader: str
    inbox: str
    headers: tuple[tuple[str, str], ...]
    size: int


def render_preview(renderer: TemplateRenderer, mail: MailSettings, type_: str, locale: str) -> Preview:
    """The sample of a type in a locale. Raises KeyError for an unknown type, RenderFailed."""
    row = renderer.library.catalogue[type_]
    delivery = sample_delivery(row, locale)
    return preview_of(renderer, delivery, {} if row.mandatory else sample_headers(mail))


def sample_headers(mail: MailSettings) -> dict[str, str]:
    """What the email stage adds for types that one may turn off (RFC 8058); the token is no real one."""
    return {
        "List-Unsubscribe": f"<{mail.unsubscribe_base}/unsubscribe/sample>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def preview_of(renderer: TemplateRenderer, delivery: Delivery, headers: dict[str, str]) -> Preview:
    """Any delivery. Raises RenderFailed."""
    made = renderer.email(delivery, headers)
    message = message_from_bytes(made, policy=policy.default)
    text, html = (part.get_content() for part in message.iter_parts())
    return Preview(
        html=html,
        text=text,
        subject=str(message["Subject"]),
        preheader=renderer.line("preheader", delivery),
        inbox=renderer.inbox_line(delivery),
        headers=tuple((name, str(value)) for name, value in message.items()),
        size=len(made),
    )
