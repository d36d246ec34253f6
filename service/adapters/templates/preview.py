"""A preview of a type as its recipients will see it, made from the catalogue's sample."""

from dataclasses import dataclass
from email import message_from_bytes, policy

from service.adapters.templates.renderer import TemplateRenderer
from service.adapters.templates.sample import sample_delivery
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


def render_preview(renderer: TemplateRenderer, mail: MailSettings, type_name: str, locale: str) -> Preview:
    """Return the preview of a type in a locale. Raise KeyError for an unknown type, RenderFailed."""
    notification_type = renderer.library.catalogue[type_name]
    delivery = sample_delivery(notification_type, locale)
    content = renderer.email(delivery, {} if notification_type.mandatory else sample_headers(mail))
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


def sample_headers(mail: MailSettings) -> dict[str, str]:
    """Return the headers that the email stage adds for types that are not mandatory (RFC 8058), with a fake token."""
    return {
        "List-Unsubscribe": f"<{mail.unsubscribe_base}/unsubscribe/sample>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
