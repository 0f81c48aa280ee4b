"""[hosts] how compute nodes are emptied, fenced and restarted."""

from oslo_config import cfg

GROUP = "hosts"
OPTIONS = [
    cfg.IntOpt(
        "migrations_per_source", default=4, min=1, help="Servers that leave one host at the same time."
    ),
    cfg.IntOpt(
        "migrations_per_destination", default=4, min=1, help="Servers that come to one host at the same time."
    ),
    cfg.FloatOpt(
        "poll_interval", default=1.0, min=0.01, help="Seconds between two looks at the migrations of a host."
    ),
    cfg.IntOpt("migration_tries", default=2, min=1, help="Attempts to move a server by each allowed way."),
    cfg.FloatOpt(
        "live_migration_timeout",
        default=900.0,
        min=1.0,
        help="Seconds after which a live migration counts as one that does not converge.",
    ),
    cfg.StrOpt(
        "live_migration_policy",
        default="wait",
        choices=[
            ("wait", "Wait on, until the deadline of the task."),
            ("force-complete", "Let Nova pause the server until it is copied."),
            ("cold", "Abort, then move it by stopping it, where that is allowed."),
            ("leave", "Abort and leave it where it is."),
        ],
        help="What is done then; a server's metadata `live_migration_policy` overrides it.",
    ),
    cfg.FloatOpt(
        "migration_timeout",
        default=3600.0,
        min=1.0,
        help="Seconds that any other move of a server may take before it counts as failed.",
    ),
    cfg.FloatOpt(
        "server_timeout",
        default=300.0,
        min=1.0,
        help="Seconds that a start, a reboot or a wake-up of a server may take; what Nova does with a server "
        "for longer counts as stuck.",
    ),
    cfg.FloatOpt(
        "clone_timeout",
        default=7200.0,
        min=1.0,
        help="Seconds that the snapshots, images, volumes or servers of a clone may each take together.",
    ),
    cfg.IntOpt("restart_batch", default=1, min=1, help="Hosts that a rolling restart has out of service."),
    cfg.FloatOpt(
        "boot_timeout",
        default=900.0,
        min=1.0,
        help="Seconds from power-on until the host's nova-compute must report.",
    ),
    cfg.FloatOpt(
        "cloud_patience",
        default=300.0,
        min=0.0,
        help="Seconds for which a task tries again when the cloud gives no answer.",
    ),
    cfg.FloatOpt(
        "return_interval",
        default=30.0,
        min=0.1,
        help="Seconds between two looks whether a fenced host has come back.",
    ),
]
