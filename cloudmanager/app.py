"""The web process: the one place that knows all of `cloudmanager.api`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_smorest import Api

from cloudmanager import __version__
from cloudmanager.api import (
    audit,
    audit_log,
    audits,
    auth,
    availability_storages,
    bearer,
    bulk_power,
    docs_page,
    domains,
    errors,
    events,
    health,
    host_availability,
    hosts,
    info,
    inventory_sync,
    maintenance_runs,
    maintenance_windows,
    metrics,
    node_actions,
    node_classes,
    node_controllers,
    node_controls,
    node_creation,
    node_discovery,
    node_images,
    node_logins,
    node_os_actions,
    node_power,
    nodes,
    openapi,
    password_rotation,
    policy,
    power_actions,
    power_check,
    power_controls,
    rate_limit,
    servers,
    services,
    sign,
    sign_nodes,
    spare_loans,
    storage_assignments,
    system_metadata,
    tasks,
    tracing,
    unversioned,
    volume_backends,
    volumes,
    webhooks,
)
from cloudmanager.api.document import answers, fields, introduction
from cloudmanager.api.document.finish import finish
from cloudmanager.api.error_shape import ErrorShape
from cloudmanager.api.fields import MAX_INTEGER
from cloudmanager.api.onecloud import changes as onecloud_changes
from cloudmanager.api.onecloud import prefix as onecloud_prefix
from cloudmanager.api.onecloud import servers as onecloud_servers
from cloudmanager.api.onecloud import tokens as onecloud_tokens
from cloudmanager.api.operation import SECURITY, IdConverter
from cloudmanager.api.portal import copies as portal_copies
from cloudmanager.api.portal import creation as portal_creation
from cloudmanager.api.portal import door as portal
from cloudmanager.api.portal import instances as portal_instances
from cloudmanager.api.portal import keypairs as portal_keypairs
from cloudmanager.api.portal import overview as portal_overview
from cloudmanager.licence import issuer_key

if TYPE_CHECKING:
    from cloudmanager.api.services import Services
    from cloudmanager.config import Config

PARTS = (
    info,
    node_classes,
    node_images,
    power_controls,
    nodes,
    node_creation,
    node_actions,
    inventory_sync,
    node_power,
    bulk_power,
    power_actions,
    power_check,
    password_rotation,
    node_controls,
    node_logins,
    node_os_actions,
    node_discovery,
    node_controllers,
    availability_storages,
    storage_assignments,
    hosts,
    host_availability,
    spare_loans,
    servers,
    system_metadata,
    sign,
    sign_nodes,
    domains,
    maintenance_windows,
    maintenance_runs,
    audits,
    tasks,
    audit_log,
    events,
    volume_backends,
    volumes,
    webhooks,
    onecloud_servers,
    onecloud_changes,
    onecloud_tokens,
    portal_overview,
    portal_creation,
    portal_instances,
    portal_keypairs,
    portal_copies,
    health,
    metrics,
    openapi,
    docs_page,
)
"""Every part with operations; several share a blueprint."""


def create_app(given: Services) -> Flask:
    """The application for a WSGI server."""
    app, api = _routes()
    services.attach(app, given)
    app.config["MAX_CONTENT_LENGTH"] = given.config.api.max_body_bytes + 1  # what is cut off shows
    auth.register(app)
    bearer.register(app)
    rate_limit.register(app, "portal", "onecloud")
    policy.register(app)
    unversioned.register(app)
    onecloud_prefix.register(app)
    tracing.register(app)
    audit.register(app)
    errors.register(app)
    openapi.register(app, _document(api))
    return app


def check(config: Config) -> None:
    """Raise `Misconfigured` for what keeps the API from starting: who calls, policy, the key of licences."""
    auth.make_strategy(config)
    bearer.make_verifier(config)
    policy.load(config)
    issuer_key(config)


def openapi_document() -> dict[str, Any]:
    """The description of the API, which `docs/openapi.json` keeps."""
    return _document(_routes()[1])


def _routes() -> tuple[Flask, Api]:
    app = Flask("cloudmanager", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = IdConverter
    app.config |= {"API_TITLE": introduction.TITLE, "API_VERSION": __version__, "OPENAPI_VERSION": "3.1.0"}
    about = {"description": introduction.TEXT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}
    api = Api(app, spec_kwargs={"info": about, "servers": [{"url": "/", "description": "This server"}]})
    api.register_converter(IdConverter, lambda _: {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER})
    api.ma_plugin.converter.add_attribute_function(fields.describe)
    token = {"type": "apiKey", "in": "header", "name": auth.HEADER, "description": introduction.SECURITY}
    api.spec.components.security_scheme(SECURITY, token)
    api.spec.components.security_scheme(portal.SECURITY, portal.SCHEME)
    answers.register(api.spec, ErrorShape())
    for blueprint in dict.fromkeys(part.blueprint for part in PARTS):
        api.register_blueprint(blueprint)
    return app, api


def _document(api: Api) -> dict[str, Any]:
    classes = {name: key[0] for key, name in api.ma_plugin.converter.refs.items()}
    return unversioned.described(finish(api.spec.to_dict(), classes))
