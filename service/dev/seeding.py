"""Seeding of empty tables with the development seeds, by the same writer as the API."""

from functools import partial

from service.dev import samples
from service.model.catalogue import Catalogue
from service.model.recipient import Recipient
from service.pipeline.tables.credentials import set_password
from service.pipeline.tables.writer import TableWriter


async def seed(writer: TableWriter, catalogue: Catalogue) -> bool:
    """Write the seeds and return True; change nothing and return False when they were written before."""
    contacts = samples.contacts(catalogue)
    if await writer.read_contact(samples.ACCOUNT, contacts[0].uuid):
        return False
    for recipient in samples.RECIPIENTS:
        await writer.recipient(recipient.id, partial(_replacement, recipient))
    await writer.group(samples.GROUP.external_id, samples.GROUP.project_id, lambda _: samples.GROUP)
    await set_password(writer, samples.ACCOUNT, samples.ACCOUNT_PASSWORD)
    await writer.add_contacts(samples.ACCOUNT, lambda _: contacts)
    await set_password(writer, samples.DOCUMENT_ACCOUNT, samples.DOCUMENT_PASSWORD)
    await writer.add_contacts(samples.DOCUMENT_ACCOUNT, lambda _: (samples.document_contact(catalogue),))
    return True


def _replacement(recipient: Recipient, _: Recipient | None) -> Recipient:
    return recipient
