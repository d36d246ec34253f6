"""Settings of the operators' console."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

ConsoleRole = Literal["viewer", "operator", "privacy"]


class ConsoleSettings(BaseModel):
    """The operators' console at /console. Without `enabled`, it is served in dev mode, and with an `issuer`.

    `url` is the API's address as browsers see it; `issuer`, `client_id` and `client_secret` are those of an OpenID
    provider, which is asked for `scopes`. `roles_claim` of its id tokens holds a person's roles, in an object inside
    the token with dots between the names; `roles` says what its values are here. `secrets` encrypt the session: the
    first encrypts, all decrypt. A session ends `idle` seconds after the last page, `lifetime` after the sign-in.
    """

    enabled: bool | None = None
    url: str = ""
    issuer: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    scopes: str = "openid profile"
    roles_claim: str = "roles"
    roles: Mapping[str, ConsoleRole] = {"viewer": "viewer", "operator": "operator", "privacy": "privacy"}
    secrets: tuple[Annotated[SecretStr, Field(min_length=32)], ...] = ()
    idle: int = Field(default=1800, ge=60)
    lifetime: int = Field(default=28_800, ge=60)
