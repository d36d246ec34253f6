"""API keys of services: list, create and revoke them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from service.api.auth.guard import MayReadOperations, MayWriteOperations
from service.api.errors import ApiError, body_error, not_found
from service.api.representations.body import parse_model, read_json
from service.api.representations.schemas import error_responses, request_body, response, schema_ref
from service.api.routes.operate.access import Services, document
from service.model.access import SCOPES, ApiKey, scopes_of

router = APIRouter(prefix="/v1/keys", tags=["keys"])


class KeyRow(BaseModel):
    """An API key without its secret, of which only a hash is stored."""

    id: str
    name: str
    scopes: list[str]
    created_ms: int
    revoked_ms: int | None


class KeyList(BaseModel):
    """All API keys, also revoked ones."""

    keys: list[KeyRow]


class KeyForm(BaseModel):
    """A key to create, for the service of that name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=128)
    scopes: list[str] = Field(min_length=1, max_length=len(SCOPES), examples=[["events"]])


class NewKey(KeyRow):
    """A new key. `key` is shown once."""

    key: str


@router.get(
    "",
    operation_id="list_keys",
    summary="List API keys",
    responses={200: response(schema_ref(KeyList)), **error_responses(401, 403, 429, 501, 503)},
)
async def list_keys(principal: MayReadOperations, services: Services) -> Response:
    """List every API key, also revoked ones, without secrets."""
    return await document({"keys": [_row(one) for one in await services.keys.all()]}, personal=True)


@router.post(
    "",
    status_code=201,
    operation_id="create_key",
    summary="Create an API key",
    responses={
        201: response(schema_ref(NewKey), "The key was created."),
        **error_responses(400, 401, 403, 413, 422, 429, 501, 503),
    },
    openapi_extra=request_body(schema_ref(KeyForm)),
)
async def create(request: Request, principal: MayWriteOperations, services: Services) -> Response:
    """Create an API key, with scopes that the caller has itself. Its text is in this response and nowhere else."""
    form = parse_model(KeyForm, await read_json(request))
    if foreign := sorted(scopes_of(form.scopes).intersection(SCOPES) - principal.scopes):
        raise ApiError(403, f"The caller does not have the scope {foreign[0]} itself.", code="forbidden")
    try:
        key, text = await services.create_key(principal.name, form.name, form.scopes)
    except ValueError as error:
        raise body_error(f"{error}.", "/scopes") from None
    return await document({**_row(key), "key": text}, personal=True, status=201)


@router.delete(
    "/{id}",
    status_code=204,
    operation_id="revoke_key",
    summary="Revoke an API key",
    response_class=Response,
    responses=error_responses(400, 401, 403, 404, 429, 501, 503),
)
async def revoke(
    principal: MayWriteOperations,
    services: Services,
    id: Annotated[str, Path(max_length=64, description="The key's id.")],
) -> Response:
    """Revoke an API key: it is refused from now on. It stays in the list."""
    try:
        await services.revoke_key(principal.name, id)
    except KeyError:
        raise not_found("key") from None
    return Response(status_code=204)


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_ms": key.created_ms,
        "revoked_ms": key.revoked_ms or None,
    }
