"""The document says everything: words for everything that has a name, examples that fit, errors, headers."""

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from cloudmanager.app import openapi_document

DOCUMENT = openapi_document()
OPERATIONS = [
    pytest.param(path, method, operation, id=operation["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
REGISTRY = Registry().with_resource("urn:api", Resource(contents=DOCUMENT, specification=DRAFT202012))
each_operation = pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)


def resolve(node):
    while "$ref" in node:
        found = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def answers(operation):
    return [(status, resolve(answer)) for status, answer in operation["responses"].items()]


def bodies(operation):
    """(where, media type object) of everything that is sent and answered."""
    if "requestBody" in operation:
        yield from (("request", media) for media in operation["requestBody"]["content"].values())
    for status, answer in answers(operation):
        yield from ((status, media) for media in answer.get("content", {}).values())


def errors(schema, value):
    located = absolute(schema)
    return [error.message for error in Draft202012Validator(located, registry=REGISTRY).iter_errors(value)]


def absolute(node):
    """The schema with references that lead into the document from anywhere."""
    if isinstance(node, list):
        return [absolute(value) for value in node]
    if not isinstance(node, dict):
        return node
    return {key: f"urn:api{value}" if key == "$ref" else absolute(value) for key, value in node.items()}


def wordless(schema, where):
    """The fields of a schema, and of what is within it, without a description."""
    if not isinstance(schema, dict) or "$ref" in schema:
        return
    for name, field in schema.get("properties", {}).items():
        if not field.get("description", "").strip():
            yield f"{where}.{name}"
        yield from wordless(field, f"{where}.{name}")
    for key in ("items", "additionalProperties"):
        yield from wordless(schema.get(key), where)
    for inner in schema.get("anyOf", ()):
        yield from wordless(inner, where)


def test_it_is_openapi():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


@each_operation
def test_operations_are_in_words(path, method, operation):
    assert operation["summary"].strip()
    role = operation.get("x-role")
    assert operation["description"].endswith(f"Needs the role `{role}`." if role else "Needs no token.")
    assert operation["description"].count("\n\n") == 1, "say what it does in the function's docstring"
    assert {tag["name"] for tag in DOCUMENT["tags"]} >= set(operation["tags"])
    assert all(tag["description"].strip() for tag in DOCUMENT["tags"])


@each_operation
def test_parameters_are_in_words_with_a_value(path, method, operation):
    for parameter in operation["parameters"]:
        name, schema = parameter["name"], parameter["schema"]
        text = parameter["description"]
        assert text.strip(), name
        assert not text.startswith(" A value"), f"{name}: the glossary has no words for this filter"
        if "example" in parameter:
            assert not errors(schema, parameter["example"])
        if parameter["in"] == "header":
            continue  # a value that a page fills in would be sent
        items = schema.get("items", schema)
        assert {"example", "examples", "enum"} & {*parameter, *items} or schema["type"] == "boolean", name
        assert not [wrong for value in items.get("examples", ()) for wrong in errors(items, value)], name


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_fields_are_in_words(name):
    schema = DOCUMENT["components"]["schemas"][name]

    assert schema["description"].strip()
    assert not list(wordless(schema, name)), "write them into cloudmanager/api/document/glossary"


@each_operation
def test_fields_of_bodies_are_in_words(path, method, operation):
    assert not [name for where, media in bodies(operation) for name in wordless(media["schema"], where)]


@each_operation
def test_every_body_has_an_example_that_fits(path, method, operation):
    for where, media in bodies(operation):
        if media["schema"] == {"type": "string"}:
            continue  # a file, a page
        assert "example" in media, where
        assert not errors(media["schema"], media["example"]), where


@each_operation
def test_every_answer_has_the_request_id_and_what_goes_with_its_status(path, method, operation):
    expected = {"201": "Location", "202": "Location", "401": "WWW-Authenticate", "503": "Retry-After"}
    for status, answer in answers(operation):
        assert answer["description"].strip()
        headers = answer["headers"]
        assert "X-Openstack-Request-Id" in headers
        if "ErrorShape" in str(answer) or status in ("201", "202"):  # /readyz has a 503 of its own
            assert expected.get(status, "X-Openstack-Request-Id") in headers, status
    assert "default" not in operation["responses"], "it would make every answer a documented one"


def test_headers_are_in_words_with_a_value_that_fits():
    for header in DOCUMENT["components"]["headers"].values():
        assert header["description"].strip()
        assert not errors(header["schema"], header["example"])


def test_lists_lead_to_the_next_page():
    for parameter in OPERATIONS:
        _, _, operation = parameter.values
        if "limit" in {one["name"] for one in operation["parameters"]} and "count" not in parameter.id:
            assert "Link" in operation["responses"]["200"]["headers"], parameter.id


def test_a_path_stands_there_once():
    paths = [path.rstrip("/") for path in DOCUMENT["paths"]]
    assert len(paths) == len(set(paths))


def test_fields_that_bodies_of_answers_always_have_are_required():
    schemas = DOCUMENT["components"]["schemas"]
    sometimes = {"nas", "hwinfo", "os_hypervisor"}  # asked for by options of the query
    assert set(schemas["NodeShape"]["required"]) == set(schemas["NodeShape"]["properties"]) - sometimes
    assert "required" not in schemas["NodeBody"]
