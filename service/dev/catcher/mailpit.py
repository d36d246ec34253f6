"""Messages in the shapes of Mailpit's API, version 1, field by field."""

import hashlib
import re
from datetime import datetime
from typing import Any

from service.dev.catcher.content import Attachment
from service.dev.catcher.mail import Address, CaughtMail
from service.dev.catcher.store import MailStore

Json = dict[str, Any]


def listing(store: MailStore, matching: list[CaughtMail], start: int, limit: int) -> Json:
    """Return a page of `matching`. `received`, the number ever received, is a field that Mailpit has not."""
    page = matching[start : start + limit]
    return {
        "total": len(store),
        "unread": store.unread,
        "count": len(page),
        "messages_count": len(matching),
        "messages_unread": sum(not mail.read for mail in matching),
        "start": start,
        "tags": [],
        "messages": [summary(mail) for mail in page],
        "received": store.received,
    }


def summary(mail: CaughtMail) -> Json:
    """Return a message as the listing shows it."""
    return {
        **_head(mail),
        "Read": mail.read,
        "Created": _rfc3339(mail.received_at),
        "Attachments": len(mail.content.attachments),
        "Snippet": mail.snippet,
    }


def message(mail: CaughtMail) -> Json:
    """Return a message with its parts."""
    attachments = mail.content.attachments
    return {
        **_head(mail),
        "ReturnPath": mail.sender,
        "Date": _rfc3339(mail.date),
        "ListUnsubscribe": _unsubscribe(mail),
        "Text": mail.content.text,
        "HTML": mail.content.html,
        "Inline": [_attachment(part) for part in attachments if part.inline],
        "Attachments": [_attachment(part) for part in attachments if not part.inline],
    }


def headers(mail: CaughtMail) -> dict[str, list[str]]:
    """Return the header values by name in canonical capitals; values are unfolded but not decoded."""
    grouped: dict[str, list[str]] = {}
    for name, value in mail.headers:
        grouped.setdefault("-".join(word.capitalize() for word in name.split("-")), []).append(value)
    return grouped


def _head(mail: CaughtMail) -> Json:
    sender = mail.addresses("From") or [Address("", mail.sender)]
    return {
        "ID": mail.id,
        "MessageID": mail.message_id,
        "From": _address(sender[0]),
        "To": [_address(address) for address in mail.addresses("To")],
        "Cc": [_address(address) for address in mail.addresses("Cc")],
        "Bcc": [_address(address) for address in mail.hidden_recipients],
        "ReplyTo": [_address(address) for address in mail.addresses("Reply-To")],
        "Subject": mail.subject,
        "Username": "",
        "Tags": [],
        "Size": len(mail.raw),
    }


def _address(address: Address) -> Json:
    return {"Name": address.name, "Address": address.address}


def _attachment(part: Attachment) -> Json:
    return {
        "PartID": part.part_id,
        "FileName": part.file_name,
        "ContentType": part.content_type,
        "ContentID": part.content_id,
        "Size": len(part.data),
        "Checksums": {
            "MD5": hashlib.md5(part.data, usedforsecurity=False).hexdigest(),
            "SHA1": hashlib.sha1(part.data, usedforsecurity=False).hexdigest(),
            "SHA256": hashlib.sha256(part.data).hexdigest(),
        },
    }


def _unsubscribe(mail: CaughtMail) -> Json:
    header = mail.header("List-Unsubscribe")
    links = re.findall(r"<([^<>]+)>", header)
    errors = "" if links or not header else "no link in angle brackets"
    return {
        "Header": header,
        "Links": links,
        "Errors": errors,
        "HeaderPost": mail.header("List-Unsubscribe-Post"),
    }


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
