"""Which role may do what: the rules, the file that changes them, the sample."""

import re
from pathlib import Path

import pytest
import structlog

from cloudmanager import config, errors
from cloudmanager.api import policy
from cloudmanager.api.caller import Caller
from cloudmanager.app import openapi_document

SAMPLE = Path(__file__).parents[2] / "docs" / "policy.yaml.sample"


def loaded(tmp_path, text, name="policy.yaml"):
    """The rules with a file beside the configuration."""
    (tmp_path / "policy.yaml").write_text(text)
    file = tmp_path / "cloudmanager.conf"
    file.write_text(f"[oslo_policy]\npolicy_file = {name}\n")
    return policy.load(config.load(file))


@pytest.fixture
def with_policy(api, tmp_path):
    """Gives the application a policy file until the test ends."""

    def use(text):
        api.app.extensions[policy._KEY] = policy.Policy(loaded(tmp_path, text))

    yield use
    policy.register(api.app)


def allowed(enforcer, rule, **caller):
    given = {"name": "u", "roles": (), **caller}
    return enforcer.enforce(rule, {}, policy._credentials(Caller(**given)))


def test_every_operation_has_one_rule_with_its_least_role():
    rules = {rule.name: rule for rule in policy.defaults()}
    document = openapi_document()
    seen = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method == "parameters" or "x-role" not in operation:
                continue
            rule = rules[operation["x-policy"]]
            assert rule.check_str == f"rule:{operation['x-role']}"
            assert {"method": method.upper(), "path": path} in rule.operations
            seen.add(rule.name)
    assert seen == set(rules) - {"admin", "member", "reader", "tenant", "onecloud:see_all_projects"}
    assert {"nodes:list", "nodes:power_off", "nodes:reset", "power_controls:create"} < seen


@pytest.mark.parametrize(
    ("group", "operation", "name"),
    [
        ("nodes", "power_off_node", "nodes:power_off"),
        ("nodes", "list_node_power_actions", "nodes:list_power_actions"),
        ("node-classes", "list_node_classes", "node_classes:list"),
        ("node-classes", "create_node_class_node_type", "node_classes:create_node_type"),
        ("power-controls", "power_on_coil", "power_controls:power_on_coil"),
        ("audit-log", "count_audit_log", "audit_log:count"),
        ("info", "show_info", "info:show"),
    ],
)
def test_names_of_rules(group, operation, name):
    assert policy.rule_name(group, operation) == name


def test_one_rule_cannot_mean_two_roles(monkeypatch):
    from cloudmanager.tokens import Role

    monkeypatch.setattr(policy, "_declared", {})
    where = {"summary": "Do", "method": "POST", "paths": ["/x"]}
    policy.declare("nodes", "reset_node", Role.MEMBER, **where)
    with pytest.raises(ValueError, match="nodes:reset"):
        policy.declare("nodes", "reset_nodes", Role.ADMIN, **where)


@pytest.mark.parametrize(
    ("roles", "may"),
    [
        (("admin",), ("nodes:list", "nodes:power_off", "nodes:create")),
        (("Admin",), ("nodes:list", "nodes:power_off", "nodes:create")),
        (("member",), ("nodes:list", "nodes:power_off")),
        (("reader", "other"), ("nodes:list",)),
        (("service",), ()),
        ((), ()),
    ],
)
def test_a_role_includes_those_below_it(roles, may):
    enforcer = policy.load(config.load())
    rules = ("nodes:list", "nodes:power_off", "nodes:create")
    assert tuple(rule for rule in rules if allowed(enforcer, rule, roles=roles)) == may


def test_what_is_no_rule_is_refused():
    assert not allowed(policy.load(config.load()), "nodes:explode", roles=("admin",))


def test_a_file_changes_rules(api, with_policy):
    with_policy('"nodes:create": "rule:reader"\n"nodes:list": "!"\n')
    api.post("/v1/nodes/", {"node": {}}, role="reader")
    refused = api.get("/v1/nodes/", 403)
    assert "nodes:list" in refused["error"]["message"]
    api.get("/v1/nodes/count", role="reader")


def test_what_was_said_is_remembered_for_each_rule_and_caller(monkeypatch):
    enforcer = policy.load(config.load())
    asked = []
    monkeypatch.setattr(
        enforcer, "enforce", lambda rule, _, creds: asked.append(rule) or "admin" in creds["roles"]
    )
    said = policy.Policy(enforcer)
    admin, reader = Caller("a", ("admin",)), Caller("a", ("reader",))
    for _ in range(3):
        assert said.allows("nodes:create", admin)
        assert not said.allows("nodes:create", reader)
        assert said.allows("nodes:delete", admin)
    assert len(asked) == 3


def test_a_file_can_ask_for_more_than_roles(tmp_path):
    text = '"admin": "role:admin and project_name:ops"\n"nodes:list": "user_name:rita or rule:admin"\n'
    enforcer = loaded(tmp_path, text)
    assert allowed(enforcer, "nodes:create", roles=("admin",), project_name="ops")
    assert not allowed(enforcer, "nodes:create", roles=("admin",), project_name="web")
    assert not allowed(enforcer, "nodes:create", roles=("admin",))
    assert allowed(enforcer, "nodes:list", name="rita")


def test_unknown_rules_are_warned_of(tmp_path):
    text = '"nodes:listt": "role:x"\n"ops": "role:ops"\n"nodes:list": "rule:ops"\n'
    with structlog.testing.capture_logs() as lines:
        enforcer = loaded(tmp_path, text)
    assert [(line["log_level"], line["rule"]) for line in lines] == [("warning", "nodes:listt")]
    assert allowed(enforcer, "nodes:list", roles=("ops",))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nodes:list", "not a map"),
        ('"nodes:list": [1', "while parsing"),
        ('"nodes:list": true', "nodes:list"),
        ('"nodes:list": "role admin or"', "nodes:list: cannot understand"),
        ('"nodes:list": "rule:nothing"', "nodes:list"),
        ('"admin": "rule:reader"', "admin"),
    ],
)
def test_a_file_that_makes_no_sense_stops_the_start(tmp_path, text, why):
    with pytest.raises(errors.Misconfigured, match=rf"\[oslo_policy\] policy_file.*{why}"):
        loaded(tmp_path, text)


def test_a_file_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(errors.Misconfigured, match=r"no file other\.yaml"):
        loaded(tmp_path, "", name="other.yaml")


def test_the_sample_is_current():
    assert SAMPLE.read_text() == policy.sample(), "run `make docs` and review the difference"


def test_the_sample_changes_nothing(tmp_path):
    text = re.sub('^#"', '"', policy.sample(), flags=re.MULTILINE)
    with structlog.testing.capture_logs() as lines:
        enforcer = loaded(tmp_path, text)
    assert lines == []
    assert {name: str(check) for name, check in enforcer.rules.items()} == {
        name: str(check) for name, check in policy.load(config.load()).rules.items()
    }


def test_the_sample_from_the_command_line():
    from click.testing import CliRunner

    from cloudmanager.cli import main

    assert CliRunner().invoke(main, ["policy", "sample"]).output == policy.sample()
