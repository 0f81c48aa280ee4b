"""What each role may do: one oslo.policy rule per operation, declared with it, overridable by a file.

A rule is named by what is acted on and what is done: `nodes:list`, `nodes:power_off`. An action on one and on
many is one rule. Rules have no scope: a role counts in whichever project it is held, unless a file says more.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import structlog
from flask import current_app
from oslo_config import cfg
from oslo_policy.policy import (
    DocumentedRuleDefault,
    Enforcer,
    InvalidDefinitionError,
    Operation,
    RuleDefault,
    Rules,
    parse_file_contents,
)

from cloudmanager.api.memory import Memory
from cloudmanager.api.nouns import singular
from cloudmanager.api.services import services
from cloudmanager.errors import Forbidden, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask

    from cloudmanager.api.caller import Caller
    from cloudmanager.config import Config

log = structlog.get_logger(__name__)

ROLES = (
    RuleDefault("admin", "role:admin", "Who may do everything"),
    RuleDefault("member", "rule:admin or role:member", "Who may switch power and act on nodes"),
    RuleDefault("reader", "rule:member or role:reader", "Who may look"),
    RuleDefault("tenant", "@", "Who may use the Compute portal, in the project of the token"),
)
"""Each role includes those below it, also where Keystone's own implications do not say so."""


class Least(Protocol):
    """Whom an operation is for by default: the name of one of these rules."""

    @property
    def title(self) -> str:
        """The name."""


class Tenant(NamedTuple):
    """Whoever has a token of a tenant."""

    title: str = "tenant"


SECONDS = 5.0
"""For so long an answer is remembered, as rules that ask another server (`http:`) may change their mind."""

_KEY = "cloudmanager.policy"
_declared: dict[str, DocumentedRuleDefault] = {}


def declare(
    group: str, operation: str, role: Least, *, summary: str, method: str, paths: Sequence[str]
) -> str:
    """Declare the rule of an operation with the least role that it takes by default; answers its name."""
    name = rule_name(group, operation)
    where: list[Operation] = [
        {"method": method, "path": re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)} for path in paths
    ]
    rule = _declared.get(name)
    if rule is None:
        _declared[name] = DocumentedRuleDefault(name, f"rule:{role.title}", summary, where)
    elif rule.check_str != f"rule:{role.title}":
        raise ValueError(f"two operations share the rule {name}, but not their role")
    else:
        rule.operations.extend(one for one in where if one not in rule.operations)
    return name


def rule_name(group: str, operation: str) -> str:
    """The rule for an operation of a group: `power_off_node` of `nodes` is `nodes:power_off`."""
    plural = group.replace("-", "_")
    return f"{plural}:{re.sub(f'_({plural}|{singular(plural)})(?=_|$)', '', operation, count=1)}"


def defaults() -> list[RuleDefault]:
    """All rules as they are without a file; the parts of the API must have been imported."""
    return [*ROLES, *(rule for _, rule in sorted(_declared.items()))]


class Policy:
    """The rules of an application. What they say is remembered: oslo.policy takes 0.1 ms each time."""

    def __init__(self, enforcer: Enforcer) -> None:
        self._enforcer = enforcer
        self._said: Memory[bool] = Memory(size=10_000)

    def allows(self, rule: str, caller: Caller) -> bool:
        """Whether the rule allows it to the caller. It depends on nothing else."""
        key = (rule, caller)
        said = self._said.get(key)
        if said is None:
            said = bool(self._enforcer.enforce(rule, {}, _credentials(caller)))
            self._said.set(key, said, SECONDS)
        return said


def register(app: Flask) -> None:
    """Give the application its rules."""
    with app.app_context():
        app.extensions[_KEY] = Policy(load(services().config))


def load(config: Config) -> Enforcer:
    """The defaults, and over them the rules of `[oslo_policy] policy_file`; raises `Misconfigured`."""
    registered = {rule.name: rule for rule in defaults()}
    rules = {name: rule.check for name, rule in registered.items()}
    if config.oslo_policy.policy_file:
        rules |= _read(config, set(registered))
    private = cfg.ConfigOpts()
    private([], project="cloudmanager", default_config_files=[])
    enforcer = Enforcer(private, rules=rules, use_conf=False)
    try:
        enforcer.check_rules(raise_on_violation=True)
    except InvalidDefinitionError as error:
        raise Misconfigured(f"[oslo_policy] policy_file: {error}") from None
    return enforcer


def allows(rule: str, caller: Caller) -> bool:
    """Whether the rule allows it to the caller."""
    return cast("Policy", current_app.extensions[_KEY]).allows(rule, caller)


def enforce(rule: str, caller: Caller) -> None:
    """Raise `Forbidden` unless the rule allows it to the caller."""
    if not allows(rule, caller):
        roles = ", ".join(caller.roles) or "none"
        raise Forbidden(
            f"the policy refuses {rule} to {caller.name}, whose roles are: {roles}; "
            f"by default it needs the role {_declared[rule].check_str.removeprefix('rule:')}"
        )


def sample() -> str:
    """A policy file in which every rule stands at its default, commented out."""
    head = "# CloudManager: every rule of the policy, at its default.\n\n"
    return head + "\n".join(_shown(rule) for rule in defaults())


def _shown(rule: RuleDefault) -> str:
    where = [f"# {place['method']} {place['path']}\n" for place in getattr(rule, "operations", ())]
    return f'# {rule.description}\n{"".join(where)}#"{rule.name}": "{rule.check_str}"\n'


def _read(config: Config, known: set[str]) -> Rules:
    """The rules of the file. One that would refuse everybody because it cannot be understood is an error."""
    name = config.oslo_policy.policy_file
    path = config.find_file(name)
    if path is None:
        raise Misconfigured(f"[oslo_policy] policy_file: there is no file {name}")
    try:
        texts = parse_file_contents(Path(path).read_text(encoding="utf-8"))
        _check_texts(texts)
    except (ValueError, OSError) as error:
        raise Misconfigured(f"[oslo_policy] policy_file {path}: {error}") from None
    used = set(re.findall(r"\brule:([^\s()]+)", " ".join(texts.values())))
    for unknown in sorted(texts.keys() - known - used):
        log.warning("unknown rule in the policy file: it changes nothing", rule=unknown, file=path)
    return Rules.from_dict(texts)


def _check_texts(texts: Any) -> None:
    if not isinstance(texts, dict):
        raise ValueError("it is not a map of rules")  # noqa: TRY004 - one kind of error for the caller
    for name, text in texts.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise ValueError(f"{name}: a rule is text such as 'role:admin'")  # noqa: TRY004
        if str(RuleDefault(name, text).check) == "!" != text.strip():  # for nobody, since not understood
            raise ValueError(f"{name}: cannot understand {text!r}")


def _credentials(caller: Caller) -> dict[str, Any]:
    """What rules of a file can ask for besides roles."""
    return {
        "roles": list(caller.roles),
        "user_id": caller.user_id,
        "user_name": caller.name,
        "project_id": caller.project_id,
        "project_name": caller.project_name,
        "service": caller.service,
    }
