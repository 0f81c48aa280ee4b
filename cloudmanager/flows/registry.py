"""Every kind of flow, by name."""

from cloudmanager.flows.audits.apply import APPLY_AUDIT
from cloudmanager.flows.audits.execute import EXECUTE_AUDIT
from cloudmanager.flows.audits.parking import PARK_HOST, UNPARK_HOST
from cloudmanager.flows.base import Flow
from cloudmanager.flows.boot_from_network import BOOT_FROM_NETWORK
from cloudmanager.flows.bulk_power import POWER_OFF_NODES, POWER_ON_NODES, RESET_NODES
from cloudmanager.flows.hosts.come_back import AWAIT_RETURN, RELEASE_HOST
from cloudmanager.flows.hosts.evacuate import EVACUATE_HOST
from cloudmanager.flows.hosts.lend_spare import LEND_SPARE
from cloudmanager.flows.hosts.restart import RESTART_HOST
from cloudmanager.flows.hosts.return_spare import RETURN_SPARE
from cloudmanager.flows.hosts.rolling_restart import RESTART_HOSTS
from cloudmanager.flows.hosts.shutdown import DECOMMISSION_HOST, SHUTDOWN_HOST
from cloudmanager.flows.maintenance.window import MAINTENANCE_WINDOW
from cloudmanager.flows.power import POWER_OFF, POWER_ON, RESET
from cloudmanager.flows.rotate_password import ROTATE_PASSWORD
from cloudmanager.flows.rotate_passwords import ROTATE_PASSWORDS
from cloudmanager.flows.servers.balance import BALANCE_SERVER
from cloudmanager.flows.servers.clone import CLONE_SERVER
from cloudmanager.flows.servers.move import EVACUATE_SERVER, MOVE_SERVER
from cloudmanager.flows.servers.repair import RECOVER_SERVER, REPAIR_SERVER
from cloudmanager.flows.servers.wake import RESET_REBOOT_SERVER, WAKEUP_SERVER
from cloudmanager.flows.sign.activate import ACTIVATE_SIGNING, DEACTIVATE_SIGNING
from cloudmanager.flows.sign.verify import VERIFY_SIGNATURES

_ALL = (
    POWER_ON,
    POWER_OFF,
    RESET,
    BOOT_FROM_NETWORK,
    POWER_ON_NODES,
    POWER_OFF_NODES,
    RESET_NODES,
    ROTATE_PASSWORD,
    ROTATE_PASSWORDS,
    EVACUATE_HOST,
    SHUTDOWN_HOST,
    DECOMMISSION_HOST,
    RESTART_HOST,
    RESTART_HOSTS,
    MAINTENANCE_WINDOW,
    EXECUTE_AUDIT,
    APPLY_AUDIT,
    PARK_HOST,
    UNPARK_HOST,
    AWAIT_RETURN,
    RELEASE_HOST,
    LEND_SPARE,
    RETURN_SPARE,
    MOVE_SERVER,
    EVACUATE_SERVER,
    BALANCE_SERVER,
    REPAIR_SERVER,
    RECOVER_SERVER,
    RESET_REBOOT_SERVER,
    WAKEUP_SERVER,
    CLONE_SERVER,
    ACTIVATE_SIGNING,
    DEACTIVATE_SIGNING,
    VERIFY_SIGNATURES,
)

FLOWS: dict[str, Flow] = {flow.kind: flow for flow in _ALL}
