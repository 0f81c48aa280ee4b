"""The Networking API v2.0 on a real socket: decodes, asks `Networks`, encodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from cloudmanager.simulators.http import Answer
from cloudmanager.simulators.openstack.networks import shapes
from cloudmanager.simulators.openstack.networks.outside import Outside
from cloudmanager.simulators.openstack.networks.quotas import Quotas
from cloudmanager.simulators.openstack.networks.routing import GATEWAY, INTERFACE
from cloudmanager.simulators.openstack.networks.rows import Network, Row, Rule, SecurityGroup, Subnet
from cloudmanager.simulators.openstack.problems import Conflict, Forbidden, Invalid, NotThere
from cloudmanager.simulators.openstack.rest import RestService, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudmanager.simulators.keystone.identity import Identity
    from cloudmanager.simulators.openstack.networks.networks import Networks
    from cloudmanager.simulators.openstack.networks.rows import Port
    from cloudmanager.simulators.openstack.problems import Problem
    from cloudmanager.simulators.openstack.rest import Call, Caller

_Row = TypeVar("_Row", bound=Row)

_FOR_PAGES = ("limit", "marker", "page_reverse", "sort_key", "sort_dir", "fields")
_FOR_ADMINISTRATORS = ("shared", "router:external", "provider:network_type", "provider:segmentation_id")
_RULE = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix")

_WITH_OTHERS: dict[str, Callable[[Networks, Any], dict[str, Any]]] = {
    "security_group": shapes.group,
    "router": shapes.router,
}
_ALONE: dict[str, Callable[[Any], dict[str, Any]]] = {
    "subnet": shapes.subnet,
    "security_group_rule": shapes.rule,
    "floatingip": shapes.floating_ip,
}


class Neutron(RestService):
    """A server for `Networks`."""

    name = "neutron"
    kind = "network"

    def __init__(self, networks: Networks, identity: Identity) -> None:
        self.networks = networks
        self._outside, self._quotas = Outside(self), Quotas(networks)
        super().__init__(identity)

    def routes(self) -> dict[str, Callable[[Call], Answer]]:
        """What it answers."""
        return {
            "GET v2.0/extensions": self._extensions,
            "GET v2.0/extensions/*": self._extension,
            "GET v2.0/networks": self._list_networks,
            "POST v2.0/networks": self._create_network,
            "GET v2.0/networks/*": lambda call: self.show("network", self._network(call), call),
            "DELETE v2.0/networks/*": self._delete_network,
            "GET v2.0/subnets": self._list_subnets,
            "POST v2.0/subnets": self._create_subnet,
            "GET v2.0/subnets/*": lambda call: self.show("subnet", self._subnet(call), call),
            "DELETE v2.0/subnets/*": self._delete_subnet,
            "GET v2.0/ports": self._list_ports,
            "POST v2.0/ports": self._create_port,
            "GET v2.0/ports/*": lambda call: self.show("port", self._port(call), call),
            "PUT v2.0/ports/*": self._update_port,
            "DELETE v2.0/ports/*": self._delete_port,
            "GET v2.0/security-groups": self._list_groups,
            "POST v2.0/security-groups": self._create_group,
            "GET v2.0/security-groups/*": lambda call: self.show("security_group", self._group(call), call),
            "DELETE v2.0/security-groups/*": self._delete_group,
            "GET v2.0/security-group-rules": self._list_rules,
            "POST v2.0/security-group-rules": self._create_rule,
            "GET v2.0/security-group-rules/*": self._show_rule,
            "DELETE v2.0/security-group-rules/*": self._delete_rule,
            **self._outside.routes(),
            **self._quotas.routes(),
        }

    def versions(self, path: str) -> Answer | None:
        """The only version, and what there is in it."""
        link = {"rel": "self", "href": f"{self.url}/v2.0/"}
        if path == "":
            return Answer(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]})
        if path == "/v2.0":
            kinds = (
                "network",
                "subnet",
                "port",
                "security-group",
                "security-group-rule",
                "floatingip",
                "router",
            )
            rows = [
                {
                    "name": kind,
                    "collection": f"{kind}s",
                    "links": [{"rel": "self", "href": f"{self.url}/v2.0/{kind}s"}],
                }
                for kind in kinds
            ]
            return Answer(200, {"resources": rows})
        return None

    def refusal(self, problem: Problem) -> Answer:
        """An object that names the kind of refusal."""
        error = {"type": problem.kind, "message": str(problem), "detail": ""}
        return Answer(problem.status, {"NeutronError": error})

    def prepared(self, call: Call) -> tuple[Call, str]:
        """Those who may only read are told so for each kind of thing."""
        path = call.request.path.strip("/")
        if call.request.method != "GET" and "member" not in call.caller.roles:
            verb = {"POST": "create", "PUT": "update", "DELETE": "delete"}.get(call.request.method, "")
            noun = path.split("/")[1].removesuffix("s").replace("-", "_") if "/" in path else ""
            raise _disallowed(f"{verb}_{noun}")
        if call.request.method == "POST":
            self._quotas.check(path.split("/")[1].removesuffix("s").replace("-", "_"), call.caller.project_id)
        return call, path

    # --- extensions -----------------------------------------------------------------------------------------

    def _extensions(self, _call: Call) -> Answer:
        return Answer(200, {"extensions": [shapes.extension(alias) for alias in shapes.EXTENSIONS]})

    def _extension(self, call: Call) -> Answer:
        if call.name not in shapes.EXTENSIONS:
            raise NotThere(f"Extension with alias {call.name} does not exist", "HTTPNotFound")
        return Answer(200, {"extension": shapes.extension(call.name)})

    # --- networks and subnets -------------------------------------------------------------------------------

    def _list_networks(self, call: Call) -> Answer:
        return self.listed("networks", self.networks.networks.values(), call)

    def _create_network(self, call: Call) -> Answer:
        asked = call.wanted("network")
        for name in _FOR_ADMINISTRATORS:
            if asked.get(name) and not call.caller.is_admin:
                raise _disallowed(f"create_network:{name}")
        network = Network(
            name=asked.get("name") or "",
            description=asked.get("description") or "",
            project_id=self.project(asked, call),
            shared=asked.get("shared") is True,
            external=asked.get("router:external") is True,
            admin_state_up=asked.get("admin_state_up") is not False,
            kind=asked.get("provider:network_type") or "vlan",
            segment=asked.get("provider:segmentation_id"),
        )
        return self.show("network", self.networks.add_network(network), call, 201)

    def _delete_network(self, call: Call) -> Answer:
        self.networks.remove_network(self.own(self._network(call), call))
        return Answer(204)

    def _network(self, call: Call) -> Network:
        return self.seen(self.networks.network(call.name), call)

    def _list_subnets(self, call: Call) -> Answer:
        return self.listed("subnets", self.networks.subnets.values(), call)

    def _create_subnet(self, call: Call) -> Answer:
        asked = call.wanted("subnet")
        network = self.networks.network(str(asked.get("network_id")))
        self.own(self.seen(network, call), call)
        subnet = Subnet(
            name=asked.get("name") or "",
            description=asked.get("description") or "",
            project_id=network.project_id,
            network_id=network.id,
            cidr=str(asked.get("cidr")),
            gateway_ip=asked.get("gateway_ip"),
            enable_dhcp=asked.get("enable_dhcp") is not False,
            pools=asked.get("allocation_pools") or [],
            dns=asked.get("dns_nameservers") or [],
        )
        return self.show("subnet", self.networks.add_subnet(subnet), call, 201)

    def _delete_subnet(self, call: Call) -> Answer:
        self.networks.remove_subnet(self.own(self._subnet(call), call))
        return Answer(204)

    def _subnet(self, call: Call) -> Subnet:
        return self.seen(self.networks.subnet(call.name), call)

    # --- ports ----------------------------------------------------------------------------------------------

    def _list_ports(self, call: Call) -> Answer:
        return self.listed("ports", self.networks.ports.values(), call)

    def _create_port(self, call: Call) -> Answer:
        asked = call.wanted("port")
        network = self.seen(self.networks.network(str(asked.get("network_id"))), call)
        if asked.get("binding:host_id") and not call.caller.is_admin:
            raise _disallowed("create_port:binding:host_id")
        wanted = asked.get("fixed_ips") or [{}]
        port = self.networks.create_port(
            network.id,
            self.project(asked, call),
            address=wanted[0].get("ip_address"),
            groups=asked.get("security_groups"),
            name=asked.get("name") or "",
            description=asked.get("description") or "",
            device_id=asked.get("device_id") or "",
            device_owner=asked.get("device_owner") or "",
            host=asked.get("binding:host_id") or "",
        )
        return self.show("port", port, call, 201)

    def _update_port(self, call: Call) -> Answer:
        port, asked = self.own(self._port(call), call), call.wanted("port")
        if "binding:host_id" in asked and not call.caller.is_admin:
            raise _disallowed("update_port:binding:host_id")
        for group in asked.get("security_groups") or ():
            self.networks.group(group)
        fields = {"security_groups": "groups", "binding:host_id": "host"}
        for name in ("name", "description", "device_id", "device_owner", "admin_state_up", *fields):
            if name in asked:
                setattr(port, fields.get(name, name), asked[name])
        self.networks.touch(port)
        return self.show("port", port, call)

    def _delete_port(self, call: Call) -> Answer:
        port = self.own(self._port(call), call)
        if port.device_owner in (INTERFACE, GATEWAY):
            message = f"Port {port.id} cannot be deleted directly via the port API: has device owner "
            raise Conflict(f"{message}{port.device_owner}.", "ServicePortInUse")
        self.networks.delete_port(port)
        return Answer(204)

    def _port(self, call: Call) -> Port:
        return self.seen(self.networks.port(call.name), call)

    # --- security groups ------------------------------------------------------------------------------------

    def _list_groups(self, call: Call) -> Answer:
        self.networks.default_group(call.caller.project_id)
        return self.listed("security_groups", self.networks.groups.values(), call)

    def _create_group(self, call: Call) -> Answer:
        asked = call.wanted("security_group")
        group = SecurityGroup(
            name=asked.get("name") or "",
            description=asked.get("description") or "",
            project_id=self.project(asked, call),
        )
        return self.show("security_group", self.networks.add_group(group), call, 201)

    def _delete_group(self, call: Call) -> Answer:
        self.networks.remove_group(self._group(call))
        return Answer(204)

    def _group(self, call: Call) -> SecurityGroup:
        return self.seen(self.networks.group(call.name), call)

    def _list_rules(self, call: Call) -> Answer:
        return self.listed("security_group_rules", self.networks.rules.values(), call)

    def _create_rule(self, call: Call) -> Answer:
        asked = call.wanted("security_group_rule")
        group = self.seen(self.networks.group(str(asked.get("security_group_id"))), call)
        content = {name: asked[name] for name in (*_RULE, "remote_group_id") if asked.get(name) is not None}
        rule = self.networks.add_rule(Rule(security_group_id=group.id, **content))
        return self.show("security_group_rule", rule, call, 201)

    def _show_rule(self, call: Call) -> Answer:
        return self.show("security_group_rule", self.seen(self.networks.rule(call.name), call), call)

    def _delete_rule(self, call: Call) -> Answer:
        del self.networks.rules[self.seen(self.networks.rule(call.name), call).id]
        return Answer(204)

    # --- all kinds ------------------------------------------------------------------------------------------

    def listed(self, kind: str, rows: Iterable[Row], call: Call) -> Answer:
        """What the caller sees of a kind, by the filters of the query."""
        noun = kind.removesuffix("s")
        shown = [self._shape(noun, row, call) for row in rows if self._sees(call.caller, row)]
        for name in {name for name, _ in call.request.pairs} - {*_FOR_PAGES}:
            wanted = {value.lower() for value in call.request.values(name)}
            shown = [row for row in shown if _matches(row, name, wanted)]
        on_page, more = page(shown, call.query)
        if fields := call.request.values("fields"):
            on_page = [{name: row[name] for name in fields if name in row} for row in on_page]
        document: dict[str, Any] = {kind: on_page}
        if more is not None:
            href = f"{self.url}{call.request.path}?{more}"
            document[f"{kind}_links"] = [{"rel": "next", "href": href}]
        return Answer(200, document)

    def show(self, noun: str, row: Row, call: Call, status: int = 200) -> Answer:
        """One row."""
        return Answer(status, {noun: self._shape(noun, row, call)})

    def _shape(self, noun: str, row: Any, call: Call) -> dict[str, Any]:
        if noun == "network":
            return shapes.network(self.networks, row, is_admin=call.caller.is_admin)
        if noun == "port":
            return shapes.port(row, is_admin=call.caller.is_admin)
        if noun in _WITH_OTHERS:
            return _WITH_OTHERS[noun](self.networks, row)
        return _ALONE[noun](row)

    def project(self, asked: dict[str, Any], call: Call) -> str:
        """For whom a thing is made: administrators may say so."""
        wish = asked.get("project_id") or asked.get("tenant_id")
        if wish and not call.caller.sees(wish):
            message = (
                "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request "
                "requires admin privileges"
            )
            raise Invalid(message, "HTTPBadRequest")
        return wish or call.caller.project_id

    def _sees(self, caller: Caller, row: Row) -> bool:
        network = self.networks.networks.get(row.network_id) if isinstance(row, Subnet) else row
        is_open = isinstance(network, Network) and (network.shared or network.external)
        return is_open or caller.sees(row.project_id)

    def seen(self, row: _Row, call: Call) -> _Row:
        """The row, or `NotThere` for whom it does not exist."""
        if not self._sees(call.caller, row):
            noun = type(row).__name__
            raise NotThere(f"{noun} {row.id} could not be found.", f"{noun}NotFound")
        return row

    def own(self, row: _Row, call: Call) -> _Row:
        """The row, or `Forbidden` for those who only see it."""
        if not call.caller.sees(row.project_id):
            noun = type(row).__name__.lower()
            raise _disallowed(f"{call.request.method.lower()}_{noun}")
        return row


def _matches(row: dict[str, Any], name: str, wanted: set[str]) -> bool:
    """Whether a field has one of the values; of addresses it is `ip_address=…` or `subnet_id=…`."""
    if name == "fixed_ips":
        pairs = [wish.partition("=") for wish in wanted]
        return all(any(a.get(key) == value for a in row.get(name, ())) for key, _, value in pairs)
    value = row.get(name)
    return value is not None and str(value).lower() in wanted


def _disallowed(rule: str) -> Forbidden:
    return Forbidden(f"rule:{rule} is disallowed by policy", "PolicyNotAuthorized")
