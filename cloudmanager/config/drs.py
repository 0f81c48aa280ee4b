"""[drs] how aggregates are balanced: how load is learnt, what a plan must gain, how it is applied."""

from oslo_config import cfg

GROUP = "drs"
OPTIONS = [
    cfg.StrOpt(
        "metrics",
        default="allocation",
        choices=[
            ("allocation", "What flavors reserve; nothing is measured."),
            ("nova", "CPU and network of servers, from Nova's diagnostics."),
            ("prometheus", "What the queries of [drs_prometheus] find."),
        ],
        help="Where the load of hosts and servers is learnt from.",
    ),
    cfg.FloatOpt(
        "nova_interval",
        default=10.0,
        min=1.0,
        max=300.0,
        help="Seconds between the two diagnostics of a server from which its rates are reckoned.",
    ),
    cfg.IntOpt(
        "nova_requests",
        default=8,
        min=1,
        max=64,
        help="Diagnostics that are asked for at a time; each is a call to a nova-compute.",
    ),
    cfg.FloatOpt(
        "nova_time_limit",
        default=120.0,
        min=5.0,
        max=3600.0,
        help="Seconds in which all servers have to be measured; those that are not count as not measured.",
    ),
    cfg.StrOpt(
        "mode",
        default="balance",
        choices=[
            ("balance", "All hosts alike."),
            ("relieve", "Hosts above `high` brought down to `low`; nothing else."),
            ("consolidate", "Hosts filled up to `low` and others emptied, so that they can be switched off."),
        ],
        help="What plans are for, where an audit is not told.",
    ),
    cfg.FloatOpt("weight_cpu", default=1.0, min=0.0, max=1000.0, help="What imbalance of CPU counts."),
    cfg.FloatOpt("weight_ram", default=1.0, min=0.0, max=1000.0, help="What imbalance of memory counts."),
    cfg.FloatOpt("weight_disk", default=0.25, min=0.0, max=1000.0, help="What imbalance of disk counts."),
    cfg.FloatOpt(
        "weight_network", default=0.25, min=0.0, max=1000.0, help="What imbalance of network counts."
    ),
    cfg.FloatOpt(
        "min_gain",
        default=0.001,
        min=0.0,
        max=1000.0,
        help="What every move must gain, in squares of utilisation: a host 10 % above the mean costs 0.01.",
    ),
    cfg.FloatOpt(
        "price_per_gb",
        default=0.00005,
        min=0.0,
        max=1000.0,
        help="What it must gain besides for each GB that it copies.",
    ),
    cfg.FloatOpt(
        "min_improvement",
        default=0.05,
        min=0.0,
        max=1.0,
        help="Share of the imbalance that a plan must take away; one that does not is empty.",
    ),
    cfg.IntOpt(
        "max_moves", default=0, min=0, max=1_000_000, help="Moves of a plan at most. 0: as many as pay."
    ),
    cfg.IntOpt(
        "moves_per_host", default=2, min=1, max=1000, help="Moves of a wave that one host may be part of."
    ),
    cfg.FloatOpt(
        "hold_seconds",
        default=3600.0,
        min=0.0,
        help="Seconds for which a server that was moved, by anybody, is left alone.",
    ),
    cfg.FloatOpt(
        "high",
        default=0.85,
        min=0.01,
        max=100.0,
        help="Utilisation above which a host is overloaded, or too few are switched on. Promises may pass 1.",
    ),
    cfg.FloatOpt(
        "low",
        default=0.75,
        min=0.01,
        max=100.0,
        help="Utilisation down to which an overloaded host is relieved, and up to which hosts are filled.",
    ),
    cfg.FloatOpt(
        "ceiling",
        default=0.9,
        min=0.01,
        max=100.0,
        help="Measured utilisation beyond which no host is filled.",
    ),
    cfg.IntOpt("spare", default=1, min=0, max=100_000, help="Empty hosts that a consolidation leaves on."),
    cfg.FloatOpt(
        "bandwidth",
        default=1000.0,
        min=1.0,
        max=1_000_000.0,
        help="MB in a second that a move copies; servers that rewrite memory about as fast cost more.",
    ),
    cfg.FloatOpt(
        "time_limit",
        default=60.0,
        min=0.1,
        max=3600.0,
        help="Seconds in which a plan must be found; the best until then counts.",
    ),
    cfg.IntOpt(
        "effort",
        default=0,
        min=0,
        max=10_000,
        help="Parts of a problem that are solved exactly after the search; needs the extra `solver`.",
    ),
    cfg.FloatOpt(
        "host_network",
        default=0.0,
        min=0.0,
        max=10_000_000.0,
        help="Mbit/s that the network of each host carries. 0: not known; then network load is not balanced.",
    ),
    cfg.BoolOpt("allow_off_vm", default=False, help="Whether servers that are stopped may be moved, cold."),
    cfg.BoolOpt(
        "copy_local_disks",
        default=True,
        help="Whether a move copies the disks of servers that were started from images; not where those lie "
        "on a storage that all hosts share.",
    ),
    cfg.IntOpt("moves_at_once", default=8, min=1, max=1000, help="Servers of a plan that move at a time."),
    cfg.FloatOpt("plan_lifetime", default=1800.0, min=1.0, help="Seconds after which a plan is stale."),
    cfg.FloatOpt(
        "max_drift",
        default=0.25,
        min=0.0,
        max=1.0,
        help="Share of the moves of a plan that may fail or no longer be possible; beyond it the plan is "
        "stale and the rest of it is not carried out.",
    ),
    cfg.BoolOpt(
        "switch_hosts",
        default=False,
        help="Whether applying a consolidation also switches off hosts that it has emptied, and on again "
        "those that it once switched off.",
    ),
    cfg.MultiStrOpt(
        "schedule",
        default=[],
        help="When an aggregate is audited: its id or name, a colon, a cron expression in UTC, such as "
        "`prod: 0 3 * * 0`. Give it once for each time.",
    ),
    cfg.BoolOpt("schedule_applies", default=False, help="Whether those audits apply their plans."),
    cfg.IntOpt("keep_days", default=90, min=1, max=36500, help="Days for which audits are kept."),
]
