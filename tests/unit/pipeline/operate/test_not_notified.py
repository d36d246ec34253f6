"""The closed set of reasons for missing deliveries: each has a sentence of its own."""

import pytest

from service.model.channels import Channel
from service.model.reasons import REASON_TEXT
from service.pipeline.operate.not_notified import NOT_NOTIFIED_TEXT, NotNotified, NotNotifiedReason


@pytest.mark.parametrize("reason", NotNotifiedReason)
def test_every_reason_has_a_sentence(reason: NotNotifiedReason) -> None:
    """In the form of the ledger's reasons: a clause without a capital letter or a full stop."""
    assert 10 < len(reason.text) < 100
    assert reason.text[0].islower()
    assert not reason.text.endswith(".")


def test_sentences_differ() -> None:
    """Also from those of the ledger's reasons."""
    texts = [*NOT_NOTIFIED_TEXT.values(), *REASON_TEXT.values()]
    assert len(set(texts)) == len(texts)


def test_a_document_carries_code_sentence_and_words() -> None:
    """The sentence is beside the code, for output; the words go rule by rule."""
    reason = NotNotifiedReason.not_in_group
    assert NotNotified("bob", Channel.email, reason, "not listed by group 1").document() == {
        "recipient": "bob",
        "channel": "email",
        "reason": "not_in_group",
        "reason_text": reason.text,
        "words": "not listed by group 1",
    }
