"""The table rows and the events of `tocsin dev`: the examples of the three API documents."""

from collections.abc import Mapping
from typing import Any

from service.model.catalogue import Catalogue
from service.model.recipient import Choice, Contact, Group, Recipient, preference_key

ACCOUNT = "acme"
ACCOUNT_PASSWORD = "acme-dev-only"  # noqa: S105 - the documented password of the development seeds
DOCUMENT_ACCOUNT = "If you found this, have a cookie, you deserve it "
DOCUMENT_PASSWORD = ")"  # noqa: S105 - from the contacts document's Authorization header
DOCUMENT_CONTACT = "cc15a0ea-6009-408e-8d47-0d39ad25fd70"
MAIN_CONTACT = "7b2f6f0e-3a51-4d0f-8a7e-5c9d1e2f4a60"
SECOND_CONTACT = "1f0a3c52-6a4e-4c8e-9a57-2f1b8d6c7e90"
SOURCE = "/tocsin/samples"
SAMPLES = ("invoice_available", "payment_failed", "message_from_seller")
"""One type of each document, in the order of the seeds: group, account, auction."""

RECIPIENTS = (
    Recipient(id="alice", address="alice@example.com", name="Alice", roles=("user",), version=1),
    Recipient(id="bob", address="bob@example.com", name="Bob", roles=("user",), version=1),
    Recipient(id="carol", address="carol@example.com", name="Carol", roles=("admin",), version=1),
)

GROUP = Group(
    external_id="12345",
    project_id="",
    addresses={
        "order_confirm": ("admin@example.com", "order@example.com"),
        "change_status": (),
        "chat_ongoing": ("chat@example.com",),
        "service_activated": ("service@example.com",),
        "order_terminate": ("admin@example.com",),
        "order_update": ("updates@example.com",),
        "study_request": ("studies@example.com",),
        "study_answered": ("studies@example.com",),
        "fon_offer": ("fon@example.com",),
        "fon_answered": ("fon@example.com",),
        "invoice_available": ("billing@example.com",),
    },
    version=1,
)

_OFF = (
    "out_of_money_soon",
    "subscription_expire_soon",
    "subscription_renewal_success",
    "reset_password",
    "trial_expire",
    "drives_delete_soon",
    "random_upgrade",
)
"""The types that the main contact of the contacts document has switched off."""


def contacts(catalogue: Catalogue) -> tuple[Contact, Contact]:
    """Return a main contact with the document's preferences, and a second one with mail of the sample type off."""
    second = Contact(
        uuid=SECOND_CONTACT,
        account=ACCOUNT,
        email="second.contact@example.com",
        name="Second Contact",
        preferences={preference_key("payment_failed", "email"): Choice(on=False)},
        version=1,
    )
    return _main_contact(catalogue, ACCOUNT, MAIN_CONTACT), second


def document_contact(catalogue: Catalogue) -> Contact:
    """Return the one contact of the contacts document, so that its examples answer as printed."""
    return _main_contact(catalogue, DOCUMENT_ACCOUNT, DOCUMENT_CONTACT)


def _main_contact(catalogue: Catalogue, account: str, uuid: str) -> Contact:
    preferences = {
        preference_key(type_.name, channel): Choice(on=type_.name not in _OFF)
        for type_ in catalogue.domain("account")
        for channel in type_.channels
    }
    return Contact(
        uuid=uuid,
        account=account,
        email="some_email_1@example.com",
        name="Some Name",
        main=True,
        preferences=preferences,
        version=1,
    )


def event(catalogue: Catalogue, type_name: str, event_id: str, time: str) -> Mapping[str, Any]:
    """Return the sample event of a type as an upstream service would publish it. Raise KeyError for an unknown type."""
    notification_type = catalogue[type_name]
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": notification_type.name,
        "time": time,
        "datacontenttype": "application/json",
        **notification_type.sample,
    }
