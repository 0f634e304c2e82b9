"""What the routes of access take and give."""

from __future__ import annotations

from marshmallow import fields, validate

from runtime.access.principal import SCOPES
from services.api.wire.base import Answer, Shape

_NAME = validate.Length(1, 100)


class SignIn(Shape):
    """Body that signs a browser in."""

    key = fields.String(required=True, load_only=True, validate=validate.Length(1, 200))


class Who(Answer):
    """Whom requests come from."""

    name = fields.String(metadata={"description": "of the key or the person"})
    workspace = fields.String(metadata={"description": "id of the workspace"})
    workspace_name = fields.String()
    scopes = fields.List(
        fields.String(validate=validate.OneOf(list(SCOPES))),
    )
    signed_in = fields.Boolean(
        metadata={"description": "by a cookie, which can be signed out, and not by a key"}
    )


class Provider(Answer):
    """An OpenID provider to sign in at."""

    name = fields.String(metadata={"description": "its host"})


class Ways(Answer):
    """The ways there are to sign a browser in."""

    key = fields.Boolean(metadata={"description": "by a key: always"})
    oidc = fields.Nested(
        Provider, allow_none=True, metadata={"description": "at an OpenID provider; null: not set up"}
    )


class OidcWish(Shape):
    """Query that begins a sign-in at an OpenID provider."""

    next = fields.String(
        load_default="/",
        validate=validate.Length(max=2000),
        metadata={"description": "path of this origin to go to afterwards; / where it is none"},
    )


class OidcAnswer(Shape):
    """Query that the provider sends a browser back with; it may hold more."""

    state = fields.String(load_default="", metadata={"description": "as the provider was given it"})
    code = fields.String(load_default="", metadata={"description": "to be exchanged for an ID token"})
    error = fields.String(load_default="", metadata={"description": "why there is no code"})


class KeyWish(Shape):
    """Body that makes a key."""

    name = fields.String(required=True, validate=_NAME)
    scopes = fields.List(
        fields.String(validate=validate.OneOf(list(SCOPES))),
        required=True,
        validate=validate.Length(min=1),
        metadata={"description": "; ".join(f"{scope}: {what}" for scope, what in SCOPES.items())},
    )
    expires_at = fields.AwareDateTime(load_default=None, metadata={"description": "null: never"})
    workspace = fields.String(
        load_default=None,
        validate=validate.Length(1, 32),
        metadata={"description": "id of another workspace than one's own; for operators"},
    )


class Key(Answer):
    """A key without its secret."""

    id = fields.String()
    name = fields.String()
    hint = fields.String(metadata={"description": "its last characters"})
    scopes = fields.List(
        fields.String(),
    )
    created_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime(allow_none=True)
    revoked_at = fields.AwareDateTime(allow_none=True)
    used_at = fields.AwareDateTime(allow_none=True, metadata={"description": "to about an hour"})


class NewKey(Key):
    """A key that was just made, with what nobody can read again."""

    key = fields.String(metadata={"description": "the key itself; it is not kept"})


class KeyList(Answer):
    """A workspace's keys."""

    items = fields.List(
        fields.Nested(Key),
    )


class KeyQuery(Shape):
    """Query of a list of keys."""

    workspace = fields.String(
        load_default=None,
        validate=validate.Length(1, 32),
        metadata={"description": "id of another workspace than one's own; for operators"},
    )


class WorkspaceWish(Shape):
    """Body that makes a workspace."""

    name = fields.String(required=True, validate=_NAME)


class Workspace(Answer):
    """A workspace."""

    id = fields.String()
    name = fields.String()
    created_at = fields.AwareDateTime()


class WorkspaceList(Answer):
    """All workspaces."""

    items = fields.List(
        fields.Nested(Workspace),
    )
