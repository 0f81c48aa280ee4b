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
from cloudmanager.flows.nodes.component_configuration import DISABLE_DCC, ENABLE_DCC
from cloudmanager.flows.nodes.controllers import ATTACH_NODE, ATTACH_NODES, DETACH_NODE, DETACH_NODES
from cloudmanager.flows.nodes.cpu_mode import SET_CPU_MODE
from cloudmanager.flows.nodes.facts import COLLECT_FACTS
from cloudmanager.flows.nodes.locks import REPAIR_LOCKS
from cloudmanager.flows.nodes.log_redirection import DISABLE_LOG_REDIRECTION, SETUP_LOG_REDIRECTION
from cloudmanager.flows.nodes.node_safe import ENABLE_NODESAFE
from cloudmanager.flows.nodes.ssh import DISABLE_SSH, ENABLE_SSH
from cloudmanager.flows.nodes.switch import DISABLE_NODESAFE, DISABLE_SNMP, ENABLE_SNMP
from cloudmanager.flows.nodes.targets import ATTACH_TARGETS, DISCOVERY_NAS
from cloudmanager.flows.nodes.update import UPDATE_SYSTEM
from cloudmanager.flows.portal.addresses import MAKE_PRIVATE, MAKE_PUBLIC
from cloudmanager.flows.portal.copies import BACKUP_VOLUME, SNAPSHOT_INSTANCE
from cloudmanager.flows.portal.create import CREATE_INSTANCE
from cloudmanager.flows.portal.delete import DELETE_INSTANCE
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
from cloudmanager.flows.volumes.mirror import MIRROR_VOLUME
from cloudmanager.flows.volumes.pv_migrate import PV_MIGRATE_VOLUME

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
    ENABLE_SNMP,
    DISABLE_SNMP,
    ENABLE_SSH,
    DISABLE_SSH,
    ENABLE_NODESAFE,
    DISABLE_NODESAFE,
    ENABLE_DCC,
    DISABLE_DCC,
    SET_CPU_MODE,
    SETUP_LOG_REDIRECTION,
    DISABLE_LOG_REDIRECTION,
    UPDATE_SYSTEM,
    DISCOVERY_NAS,
    ATTACH_TARGETS,
    REPAIR_LOCKS,
    COLLECT_FACTS,
    ATTACH_NODE,
    DETACH_NODE,
    ATTACH_NODES,
    DETACH_NODES,
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
    MIRROR_VOLUME,
    PV_MIGRATE_VOLUME,
    CREATE_INSTANCE,
    DELETE_INSTANCE,
    MAKE_PUBLIC,
    MAKE_PRIVATE,
    SNAPSHOT_INSTANCE,
    BACKUP_VOLUME,
)

FLOWS: dict[str, Flow] = {flow.kind: flow for flow in _ALL}
