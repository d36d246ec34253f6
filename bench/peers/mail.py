"""The texts and messages of the peers, and their connections to the relay.

A message is made with `MIMEMultipart`, which takes a quarter to a third of the time of `EmailMessage`.
"""

import asyncio
from collections.abc import Mapping
from email.errors import MessageError
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import formatdate
from pathlib import Path
from secrets import token_hex
from typing import Any

from aiosmtplib import SMTP
from jinja2 import Environment, FileSystemLoader, TemplateError, select_autoescape

RENDER_ERRORS = (KeyError, TypeError, ValueError, TemplateError, MessageError)
"""What data that do not fit a template raise."""

_CONNECTIONS = 10
_SENDER = "notifications@tocsin.test"
_POLICY = compat32.clone(linesep="\r\n")

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(["html.j2"])
)
_LINE = _templates.from_string(
    "Payment {{ data.payment_id }} of {{ '%.2f'|format(data.amount) }} {{ data.currency }} has been approved;"
    " your balance is {{ '%.2f'|format(data.balance) }} {{ data.currency }}."
)
_TEXT = _templates.get_template("order_update.txt.j2")
_HTML = _templates.get_template("order_update.html.j2")


class SmtpPool:
    """Connections that stay open, each for one message at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: asyncio.Queue[SMTP] = asyncio.Queue()

    async def start(self) -> None:
        """Open all connections."""
        for _ in range(_CONNECTIONS):
            client = SMTP(hostname="127.0.0.1", port=self._port, start_tls=False)
            await client.connect()
            self._free.put_nowait(client)

    async def send(self, address: str, message: bytes) -> None:
        """Send a message; return when the relay has accepted it.

        Raise SMTPConnectError where there is no connection and nothing was sent, other SMTPException's where a reply
        refused it or the connection broke.
        """
        client = await self._free.get()
        try:
            if not client.is_connected:
                await client.connect()
            await client.sendmail(_SENDER, [address], message)
        finally:
            self._free.put_nowait(client)


def inbox_line(data: Mapping[str, Any]) -> str:
    """Return the line of an inbox entry."""
    return _LINE.render(data=data)


def message_bytes(id_: str, type_: str, address: str, data: Mapping[str, Any]) -> bytes:
    """Return the message to an address, with a text and an HTML part."""
    message = MIMEMultipart(
        "alternative", boundary=token_hex(16)
    )  # to find one itself, it compiles a pattern
    message["From"] = f"Tocsin <{_SENDER}>"
    message["To"] = address
    message["Subject"] = f"Order {data['order_id']} has been updated"
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{id_}@tocsin.test>"
    message["Auto-Submitted"] = "auto-generated"
    message["List-Id"] = f"<{type_}.tocsin.test>"
    message.attach(MIMEText(_TEXT.render(data=data), "plain", "utf-8"))
    message.attach(MIMEText(_HTML.render(data=data), "html", "utf-8"))
    return message.as_bytes(policy=_POLICY)
