"""The last touch to the document: what can only be said when all declarations are in it."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, Any

from cloudmanager.api.body import Body
from cloudmanager.api.document.examples import NOTHING, example_of
from cloudmanager.api.document.glossary import PARAMETERS
from cloudmanager.api.document.glossary.hosts import SERVER_ID
from cloudmanager.api.document.glossary.tasks import TASK_ID
from cloudmanager.api.document.glossary.volumes import VOLUME_ID
from cloudmanager.api.document.parameters import add_words, is_filter
from cloudmanager.api.idempotency import REPLAYED
from cloudmanager.idempotency import HEADER as IDEMPOTENCY_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from marshmallow import Schema

_OF_THE_FRAMEWORK = {"schemas": ("Error", "PaginationMetadata"), "responses": ("DEFAULT_ERROR",)}
"""Components that nothing of ours refers to."""

_VARIABLES: Mapping[str, tuple[str, Any]] = {
    "host_name": ("Nova's name of the host.", "r1n07.example.net"),
    "task_id": ("Id of the task.", TASK_ID),
    "name": ("Name of the file.", "page.css"),
    "server_id": ("Id of the server.", SERVER_ID),
    "volume_id": ("Cinder's id of the volume.", VOLUME_ID),
    "instance_id": ("Id of the instance.", SERVER_ID),
    "snapshot_id": ("Id of the snapshot.", SERVER_ID),
    "backup_id": ("Id of the backup.", VOLUME_ID),
    "keypair_name": ("Name of the keypair.", "my-keypair"),
    "instance_uuid": ("Id of the server.", SERVER_ID),
    "key": ("The key.", "image_min_disk"),
    "domain_id": ("Keystone's id of the domain.", "4c8cb6a4be6f4b7ea2dd0b62c3a04ab5"),
}
"""The variables of paths; all others are numbers of objects."""


def finish(document: dict[str, Any], classes: Mapping[str, type[Schema]]) -> dict[str, Any]:
    """Complete the document; `classes` are those that its schemas were made from, by name."""
    components = document["components"]
    for kind, names in _OF_THE_FRAMEWORK.items():
        for name in names:
            components[kind].pop(name, None)
    for name, schema in components["schemas"].items():
        _describe(schema, classes[name])
    for path in document["paths"].values():
        for variable in path.pop("parameters", ()):
            _repeat(variable, path)
    for operation in operations(document):
        operation["responses"].pop("default", None)
        _add_replays(operation)
        for parameter in filter(is_filter, operation["parameters"]):
            add_words(parameter, PARAMETERS.get(operation["tags"][0], {}))
        for content in _contents(operation):
            _describe_wrapper(content["schema"])
            _add_example(content, components["schemas"])
    return document


def operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of the document."""
    for path in document["paths"].values():
        yield from (operation for method, operation in path.items() if method != "parameters")


def _describe(schema: dict[str, Any], made_from: type[Schema]) -> None:
    """What the class says, or its `json_schema`; an answer has every field not marked `x-optional`."""
    schema["description"] = cleandoc(made_from.__doc__ or "")
    schema |= getattr(made_from, "json_schema", {})
    optional = {name for name, field in schema["properties"].items() if field.pop("x-optional", False)}
    if not issubclass(made_from, Body):
        schema.setdefault("required", [name for name in schema["properties"] if name not in optional])


def _repeat(variable: dict[str, Any], path: dict[str, Any]) -> None:
    noun = variable["name"].removesuffix("_id").replace("_", " ")
    text, value = _VARIABLES.get(variable["name"], (f"Number of the {noun}.", 1))
    described = {**variable, "description": text, "example": value}
    for operation in path.values():
        operation["parameters"] = [described, *operation.get("parameters", ())]


def _add_replays(operation: dict[str, Any]) -> None:
    """Successes of an operation that takes a key may be told again."""
    if any(parameter["name"] == IDEMPOTENCY_KEY for parameter in operation["parameters"]):
        for status, answer in operation["responses"].items():
            if status < "300":
                answer["headers"][REPLAYED] = {"$ref": f"#/components/headers/{REPLAYED}"}


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The bodies that the operation takes and gives."""
    for body in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from body.get("content", {}).values()


def _describe_wrapper(schema: dict[str, Any]) -> None:
    """Say what is under the one key of an object that wraps others."""
    for form in (schema, *schema.get("anyOf", ())):
        for inner in form.get("properties", {}).values():
            inner.setdefault("description", "The objects." if inner.get("type") == "array" else "The object.")


def _add_example(content: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    if "example" not in content and (value := example_of(content["schema"], schemas)) is not NOTHING:
        content["example"] = value
