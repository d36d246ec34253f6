"""The one signing scheme, and what former versions signed (ADR 17)."""

import pytest

from service.api.auth.inbox_tokens import InboxTokens
from service.console.session import Seal
from service.model.ids import delivery_id, event_key
from service.model.signatures import Signer, encryption_key, signing_key
from service.model.signatures.verp import Verp
from service.pipeline.tables.preference_centre import PreferenceOwner
from service.pipeline.tables.preference_tokens import PreferenceTokens
from service.pipeline.tables.unsubscribe_tokens import DigestTarget, UnsubscribeTokens
from tests.unit.pipeline.tables.test_unsubscribe_tokens import NEW, NOW, OLD, delivery

SENDER = "b-fo6dtkxqbdvmptwfbmzmwdyo3vim2e54vse5eoi4fkhd5blbxqlkbmmviy7ju@b.test"
LINK = "7d931ca437b535b07b5d8e5a.19705.overbid.ac89d2391c2ab4f21a82cb47.TUClAFkY3DoA0qaIman7srIcSLvNenhpwXpUgy46_gY"
DIGEST_LINK = (
    "cZLWLU-cZMeaRalEFyfjo_3JQTjQOCtDboiOog.19705.auction.ac89d2391c2ab4f21a82cb47"
    ".uR1LnHviH_n7tM0C_scVOpe-Tq4hvJ520YUxJxARRrg"
)
PREFERENCES = "wULmqM_y9EgUuDVumOERCHjBt1J9nHpRbfgf4cFQGw7W-0NbyQ"
INBOX_KEY_ID = "142521e2380d37a5"
COOKIE = "2ImHvkf__6xOE1HjJmRNXiEm1EI_lj11tpZn4dg8vQ"
"""What version 0.1 made under the secret OLD."""
EVENT = event_key("/t", "1")


def test_what_a_former_version_sent_stays_valid() -> None:
    """Return addresses and links in sent mail, and cookies, also after the secret was replaced."""
    secrets = [NEW, OLD]
    unsubscribe, origin = UnsubscribeTokens(secrets, 30), Verp(secrets, "b.test").read(SENDER)

    assert origin
    assert (origin.delivery, origin.event) == (delivery_id(EVENT, "alice", "email"), EVENT)
    assert origin.sent_to("alice@example.com")
    assert unsubscribe.read(LINK, NOW) == unsubscribe.read(unsubscribe.token(delivery()), NOW)
    assert unsubscribe.read(DIGEST_LINK, NOW) == DigestTarget("", "alice", "auction")
    assert PreferenceTokens(secrets, 30).read(PREFERENCES, NOW) == PreferenceOwner.of(delivery())
    assert Seal(secrets).open("session", COOKIE) == {"name": "olga"}


def test_links_are_the_same_as_those_of_a_former_version() -> None:
    """So processes of both versions run side by side; only the return address differs."""
    unsubscribe = UnsubscribeTokens([OLD], 30)

    assert unsubscribe.token(delivery()) == LINK
    assert unsubscribe.digest_token(delivery(type="digest"), "auction") == DIGEST_LINK
    assert PreferenceTokens([OLD], 30).token(delivery()) == PREFERENCES
    assert Seal([OLD]).close("session", {"name": "olga"}) == COOKIE
    assert list(InboxTokens([OLD])._keys) == [INBOX_KEY_ID]


def test_an_earlier_scheme_verifies_and_never_signs() -> None:
    """The first secret signs by the present scheme; each secret verifies by each scheme."""
    signer = Signer([NEW, OLD], "test", 8, earlier=[lambda secret: lambda content: secret.encode() + content])

    assert signer.sign(b"x") == Signer([NEW], "test", 8).sign(b"x")
    assert len(signer.sign(b"x")) == 8
    for signature in (Signer([OLD], "test", 8).sign(b"x"), f"{OLD}x".encode(), f"{NEW}x".encode()):
        assert signer.verify(b"x", signature)
        assert not signer.verify(b"y", signature)
        assert not Signer([NEW], "test", 8).verify(b"x", signature)


def test_a_signature_serves_one_purpose() -> None:
    """Each purpose has keys of its own, and so has each secret."""
    signature = Signer([OLD], "one").sign(b"x")

    assert not Signer([OLD], "two").verify(b"x", signature)
    assert not Signer([OLD], "one", 16).verify(b"x", signature)
    for key in (signing_key, encryption_key):
        assert len({key(secret, purpose) for secret in (OLD, NEW) for purpose in ("one", "two")}) == 4


@pytest.mark.parametrize("secrets", [[], [""], [NEW, ""]])
def test_signing_needs_secrets(secrets: list[str]) -> None:
    """None, or an empty one, is refused."""
    with pytest.raises(ValueError, match="needs a secret: test"):
        Signer(secrets, "test")
