"""From what OpenStack answers to our errors."""

import pytest
from keystoneauth1 import exceptions as problems

from cloudmanager.errors import CloudRefused, CloudUnreachable, NotFound
from cloudmanager.openstack.refusals import failure, refusal, said_in

REQUEST = "req-11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, CloudRefused),
        (401, CloudRefused),
        (403, CloudRefused),
        (404, NotFound),
        (406, CloudRefused),
        (408, CloudUnreachable),
        (409, CloudRefused),
        (413, CloudRefused),
        (429, CloudUnreachable),
        (500, CloudUnreachable),
        (501, CloudRefused),
        (502, CloudUnreachable),
        (503, CloudUnreachable),
        (504, CloudUnreachable),
    ],
)
def test_each_status_has_its_error(status, kind):
    error = refusal("Nova", status, {"fault": {"code": status, "message": "because"}}, REQUEST)
    assert type(error) is kind
    assert "Nova: because" in error.message
    assert REQUEST in error.message
    if kind is CloudRefused:
        assert error.status == status
    if kind is not NotFound:
        assert error.request_id == REQUEST


@pytest.mark.parametrize(("status", "way_out"), [(401, "[nova] username and password"), (403, "role admin")])
def test_a_refusal_of_us_names_the_options(status, way_out):
    assert way_out in refusal("Nova", status, None, None).message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"conflictingRequest": {"code": 409, "message": "not now"}}, "not now"),
        ({"errors": [{"status": 404, "title": "Not Found", "detail": "no\n\n provider"}]}, "no provider"),
        ({"message": "No image<br /><br />\n", "code": "404"}, "No image"),
        ({"code": 503, "title": "Unavailable"}, "Unavailable"),
        ({}, None),
        ([], None),
        (None, None),
        ({"errors": []}, None),
        ({"badRequest": {"message": "x" * 9000}}, "x" * 500),
    ],
)
def test_what_people_are_to_read(body, said):
    assert said_in(body) == said


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (problems.ConnectFailure("refused"), CloudUnreachable, "refused"),
        (problems.ConnectTimeout("timed out"), CloudUnreachable, "timed out"),
        (problems.SSLError("bad certificate"), CloudUnreachable, "[nova] cafile"),
        (problems.DiscoveryFailure("nonsense"), CloudUnreachable, "nonsense"),
        (problems.InternalServerError("broken"), CloudUnreachable, "Keystone: broken"),
        (problems.Unauthorized("who?"), CloudRefused, "[nova] username and password"),
        (problems.NotFound("no v3"), CloudRefused, "log-in options of [nova]"),
        (problems.EndpointNotFound("no compute"), CloudRefused, "[nova] interface and region_name"),
        (problems.VersionNotAvailable("only v2"), CloudRefused, "catalogue"),
        (problems.AuthorizationFailure("no"), CloudRefused, "cannot log in"),
    ],
)
def test_what_keystoneauth_raises(error, kind, said):
    found = failure("Nova", error)
    assert type(found) is kind
    assert said in found.message
