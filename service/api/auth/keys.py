"""API keys of services, sent as bearer tokens."""

from hmac import compare_digest

from service.api.auth.principal import BadCredential, Principal, PrincipalKind
from service.model.access import scopes_of
from service.pipeline.tables.credentials import split_key
from service.ports import ApiKeys


async def service_of(text: str, keys: ApiKeys) -> Principal:
    """Return the service that this API key belongs to. Raise BadCredential or Unavailable."""
    id_and_hash = split_key(text)
    row = await keys.get(id_and_hash[0]) if id_and_hash else None
    if id_and_hash is None or row is None or not compare_digest(row.hash, id_and_hash[1]):
        raise BadCredential("the API key is not known")
    if row.revoked_ms:
        raise BadCredential("the API key is revoked")
    return Principal(PrincipalKind.service, row.id, scopes_of(row.scopes))
