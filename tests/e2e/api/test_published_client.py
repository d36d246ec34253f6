"""The published client of the contacts document's API (cloudsigma on PyPI), for every call that it offers for it."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.model.recipient import Contact
from tests.e2e.api.seed_documents import MAIN
from tests.e2e.api.served import in_thread
from tests.support.api_fixture import ACCOUNT, PASSWORD, real_api


@pytest.fixture
def client(valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield the client's module of resources, configured for the API on a real Valkey with a main contact."""
    with in_thread(lambda: real_api(valkey_url)) as served:
        main = Contact(uuid=MAIN, account=ACCOUNT, email="some_email_1@example.com", main=True, version=1)
        served.run(served.api.writes.put_contacts([main]))
        config = tmp_path / "cloudsigma.conf"
        config.write_text(
            f"api_endpoint = http://127.0.0.1:{served.port}/api/2.0/\n"
            f"username = {ACCOUNT}\npassword = {PASSWORD}\n"
        )
        monkeypatch.setenv("CLOUDSIGMA_CONFIG", str(config))
        for name in [name for name in sys.modules if name.split(".")[0] == "cloudsigma"]:
            monkeypatch.delitem(sys.modules, name)  # it reads its configuration when it is imported
        yield importlib.import_module("cloudsigma.resource")


@pytest.fixture
def errors() -> Any:
    return importlib.import_module("cloudsigma.errors")


@pytest.mark.conformance("Contacts document", "contacts", "The published Python client works for every call.")
def test_contacts(client: Any) -> None:
    """List, details, schema, create one and several, get, edit, delete."""
    contacts = client.NotificationContact()

    assert [row["uuid"] for row in contacts.list()] == [MAIN]
    assert contacts.list_detail() == contacts.list()
    created = contacts.create({"email": "b@example.com", "name": "B", "phone": "+1 123 555 1234"})
    more = contacts.create([{"email": "c@example.com"}, {"email": "d@example.com"}])
    assert (created["main"], len(more)) == (None, 2)
    assert contacts.get(created["uuid"]) == created
    assert contacts.get_from_url(created["resource_uri"]) == created
    edited = contacts.update(created["uuid"], {"email": "b@example.com", "name": "New"})
    assert edited == {**created, "name": "New", "pk": created["uuid"]}
    assert contacts.delete(created["uuid"]) is None
    assert len(contacts.list()) == len(contacts.list_detail()) == 3
    assert len(contacts.list({"limit": 2, "offset": 1})) == 2
    schema = contacts.get_schema()
    assert set(schema["fields"]) == set(created)
    assert schema["allowed_list_http_methods"] == ["get", "post"]
    assert schema["allowed_detail_http_methods"] == ["get", "put", "delete"]


@pytest.mark.conformance(
    "Contacts document", "preferences", "The published Python client works for every call."
)
def test_preferences(client: Any) -> None:
    """List, details, schema, update of one and of several."""
    preferences = client.NotificationPreference()
    every = preferences.list()

    assert len(every) == 23
    assert preferences.list_detail() == every
    off = [{**row, "value": False} for row in every[:3]]
    assert preferences.update(off[0]) == off[:1]
    assert preferences.update(off) == off
    assert preferences.list()[:4] == [*off, every[3]]
    schema = preferences.get_schema()
    assert set(schema["fields"]) == set(every[0])
    assert schema["allowed_list_http_methods"] == ["get", "put"]


def test_errors(client: Any, errors: Any) -> None:
    """Each error is of the client's class for it."""
    contacts = client.NotificationContact()

    with pytest.raises(errors.ClientError, match="main"):
        contacts.delete(MAIN)
    with pytest.raises(errors.ClientError, match="no such contact"):
        contacts.get("none")
    with pytest.raises(errors.ClientError, match="email"):
        contacts.create({"email": "nobody"})
    with pytest.raises(errors.AuthError):
        client.NotificationContact(password="wrong").list()
