"""DKIM signatures, verified by dkimpy (ADR 8)."""

import base64
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import SecretStr

from service.adapters.dkim import dkim_signer
from service.adapters.templates import TemplateRenderer
from service.settings import MailSettings, TemplateSettings
from tests.support.rendering import make_delivery, make_renderer

KEY = rsa.generate_private_key(65537, 2048)
UNSUBSCRIBE = {
    "List-Unsubscribe": "<http://127.0.0.1:8000/unsubscribe/" + "t" * 90 + ">",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> SecretStr:
    return SecretStr(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def record(name: bytes, timeout: int = 5) -> bytes:
    """Return the TXT record that the sender's domain would publish."""
    assert name.rstrip(b".") == b"tocsin._domainkey.tocsin.test"
    public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


@pytest.fixture
def signed(tmp_path: Path) -> bytes:
    mail = MailSettings(dkim_key=pem(KEY))
    catalogue = make_renderer(tmp_path).library.catalogue
    templates = TemplateSettings(directory=tmp_path / "templates")
    signing = TemplateRenderer(mail, templates, catalogue, dkim_signer(mail))
    return signing.email(
        make_delivery({"title": "Schöne Grüße " * 20, "body": ".\r\n \t x  \r\n\r\n"}, name="Jürgen"),
        UNSUBSCRIBE,
    )


def test_another_verifier_agrees(signed: bytes) -> None:
    """A signed message, folded and non-ASCII, is valid to dkimpy."""
    assert signed.startswith(b"DKIM-Signature: ")
    assert dkim.verify(signed, dnsfunc=record)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\r\nTo: ", b"\r\nTo: x "),
        (b"\r\nSubject: ", b"\r\nSubject: x "),
        (b"\r\nFrom: ", b"\r\nFrom: x@y.example\r\nFrom: "),
        (b"\r\nSubject: ", b"\r\nSubject: x\r\nSubject: "),
        (b"\r\nDate: Mon", b"\r\nDate: Tue"),
        (b"\r\nMessage-ID: <", b"\r\nMessage-ID: <1"),
        (b"unsubscribe/t", b"unsubscribe/u"),
        (b"=One-Click", b"=Two-Click"),
        (b"\r\nMIME-Version: ", b"\r\nList-Unsubscribe: <http://x.example>\r\nMIME-Version: "),
        (b"Hello", b"Hallo"),
    ],
)
def test_signed_parts_are_protected(signed: bytes, before: bytes, after: bytes) -> None:
    """A signed header or body cannot be changed on the way, nor another header of that name added."""
    assert before in signed
    assert not dkim.verify(signed.replace(before, after, 1), dnsfunc=record)


def test_header_lines_are_short(signed: bytes) -> None:
    """The signature is folded, and no name in it is broken."""
    head = signed.partition(b"\r\nFrom:")[0]

    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    assert b"list-\r\n" not in head


def test_no_key_no_signature() -> None:
    """Without a key nothing is signed."""
    assert dkim_signer(MailSettings()) is None


def test_unusable_key() -> None:
    """A key of another kind is refused at the start."""
    with pytest.raises(ValueError, match="RSA"):
        dkim_signer(MailSettings(dkim_key=pem(ec.generate_private_key(ec.SECP256R1()))))
