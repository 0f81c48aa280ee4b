"""Tokens as OneCloud documents them: what is sent, and what is answered."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields

from cloudmanager.api.body import Body


class OneCloudAuth(Body):
    """Who wants a token, in the form of Keystone's Identity API v3, or with OneCloud's `Domain`."""

    class Meta:
        """Keystone knows more than OneCloud documents."""

        unknown = INCLUDE

    identity = fields.Dict(keys=fields.String(), required=True)
    scope = fields.Dict(keys=fields.String(), allow_none=True)
    context = fields.Dict(keys=fields.String(), allow_none=True)


class OneCloudName(Schema):
    """Something of Keystone's, by id and name."""

    id = fields.String(allow_none=True)
    name = fields.String(allow_none=True)


class OneCloudMember(Schema):
    """Something of a domain."""

    domain = fields.Nested(OneCloudName, allow_none=True)
    id = fields.String(allow_none=True)
    name = fields.String(allow_none=True)


class OneCloudScope(Schema):
    """Where a role is held."""

    domain = fields.Nested(OneCloudName, allow_none=True)
    project = fields.Nested(OneCloudMember, allow_none=True)


class OneCloudRule(Schema):
    """Policies of an assignment."""

    domain = fields.List(fields.String())
    project = fields.List(fields.String())
    system = fields.List(fields.String())


class OneCloudAssignment(Schema):
    """A role of the user."""

    group = fields.Nested(OneCloudMember, allow_none=True)
    policies = fields.Nested(OneCloudRule, allow_none=True)
    role = fields.Nested(OneCloudMember)
    scope = fields.Nested(OneCloudScope)
    user = fields.Nested(OneCloudMember)


class OneCloudProject(Schema):
    """A project."""

    Domain = fields.Nested(OneCloudName)
    Id = fields.String()
    Name = fields.String()


class OneCloudPerson(Schema):
    """The user."""

    Displayname = fields.String(allow_none=True)
    Domain = fields.Nested(OneCloudName)
    Email = fields.String(allow_none=True)
    Id = fields.String()
    Mobile = fields.String(allow_none=True)
    Name = fields.String()
    PasswordExpiresAt = fields.String(allow_none=True)


class OneCloudAccessKey(Schema):
    """An access key."""

    AccessKey = fields.String()
    expire = fields.Integer()
    secret = fields.String()


class OneCloudContext(Schema):
    """From where the user came."""

    ip = fields.String(allow_none=True)
    source = fields.String(allow_none=True)


class OneCloudEndpoint(Schema):
    """Where a service is found."""

    id = fields.String()
    interface = fields.String()
    name = fields.String(allow_none=True)
    region = fields.String(allow_none=True)
    region_id = fields.String(allow_none=True)
    url = fields.String()


class OneCloudService(Schema):
    """A service of the catalogue."""

    endpoints = fields.List(fields.Nested(OneCloudEndpoint))
    id = fields.String()
    name = fields.String(allow_none=True)
    type = fields.String()


class OneCloudPolicies(Schema):
    """Policies of the user."""

    Domain = fields.List(fields.String())
    Project = fields.List(fields.String())
    System = fields.List(fields.String())


class OneCloudTokenShape(Schema):
    """What a token is good for."""

    access_key = fields.Nested(OneCloudAccessKey, allow_none=True)
    catalog = fields.List(fields.Nested(OneCloudService))
    context = fields.Nested(OneCloudContext)
    expires_at = fields.String()
    is_domain = fields.Boolean()
    issued_at = fields.String()
    methods = fields.List(fields.String())
    policies = fields.Nested(OneCloudPolicies, allow_none=True)
    project = fields.Nested(OneCloudProject, allow_none=True)
    projects = fields.List(fields.Nested(OneCloudProject))
    role_assignments = fields.List(fields.Nested(OneCloudAssignment))
    roles = fields.List(fields.Nested(OneCloudName))
    user = fields.Nested(OneCloudPerson)
