"""API keys of services, shown as bearer tokens."""

from hmac import compare_digest

from service.api.auth.principal import BadCredential, Principal, PrincipalKind
from service.pipeline.tables.credentials import split_key
from service.ports import ApiKeys


async def service_of(text: str, keys: ApiKeys) -> Principal:
    """The service whose key this is. Raises BadCredential, Unavailable."""
    found = split_key(text)
    row = await keys.get(found[0]) if found else None
    if found is None or row is None or not compare_digest(row.hash, found[1]):
        raise BadCredential("the API key is not known")
    if row.revoked_ms:
        raise BadCredential("the API key is revoked")
    return Principal(PrincipalKind.service, row.id, frozenset(row.scopes))
