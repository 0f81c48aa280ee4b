"""[node_actions] what is done in the operating systems of nodes."""

from oslo_config import cfg

GROUP = "node_actions"
OPTIONS = [
    cfg.FloatOpt(
        "confirm_timeout",
        default=60.0,
        min=1.0,
        help="Seconds until a service that was started or ended has to be in its new state.",
    ),
    cfg.FloatOpt(
        "settle",
        default=5.0,
        min=0.0,
        help="Seconds that a service that was restarted has to run without another restart.",
    ),
    cfg.ListOpt(
        "daemon_addresses",
        default=[],
        help="Addresses and networks from which workers log on to nodes: `disable-ssh` keeps them admitted. "
        "The address that the node sees the worker come from is always one of them.",
    ),
    cfg.IntOpt(
        "ssh_undo",
        default=120,
        min=30,
        max=3600,
        help="Seconds after which a node lifts `disable-ssh` by itself when no worker could log on again.",
    ),
    cfg.PortOpt("log_port", default=514, min=1, help="Port to which logs are redirected."),
    cfg.StrOpt(
        "log_protocol",
        default="tcp",
        choices=["tcp", "udp"],
        help="Protocol by which logs are redirected.",
    ),
    cfg.FloatOpt(
        "update_timeout",
        default=7200.0,
        min=60.0,
        help="Seconds that `update-system` watches an update; one that takes longer is not ended.",
    ),
    cfg.FloatOpt(
        "discovery_wait",
        default=50.0,
        min=1.0,
        max=300.0,
        help="Seconds that `discovery-nas` waits for the node's answer.",
    ),
    cfg.FloatOpt(
        "attach_timeout",
        default=120.0,
        min=1.0,
        help="Seconds until all sessions to iSCSI targets have to be there.",
    ),
    cfg.StrOpt(
        "iscsi_prefix",
        default="iqn.2010-10.org.openstack:",
        help="What names of targets begin with (Cinder's `target_prefix`): they are shown without it and "
        "taken with or without it. Targets with other names are shown whole.",
    ),
    cfg.ListOpt(
        "nodesafe_peers",
        default=[],
        help="Addresses of the management network that a node pings with NodeSafe: gateway, controllers.",
    ),
    cfg.FloatOpt(
        "nodesafe_after",
        default=60.0,
        min=10.0,
        help="Seconds without any peer and any availability storage after which a node with NodeSafe stops "
        "its servers; less than `[node_tracker] storage_silence`.",
    ),
    cfg.DictOpt(
        "controllers",
        default={},
        help="Addresses of virtual controllers, `uuid:address, …`. A node that is attached to one of them is "
        "told its address by the command `attach-controller`; of others only the binding is stored.",
    ),
    cfg.DictOpt(
        "controller_types",
        default={},
        help="Types of virtual controllers, `uuid:type, …`, shown as `controller_type` of their nodes.",
    ),
    cfg.FloatOpt(
        "collect_interval",
        default=86400.0,
        min=0.0,
        help="Seconds after which hardware and storage sessions of hypervisors are collected anew; 0: no.",
    ),
]
