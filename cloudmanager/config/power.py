"""[power] how machines are switched."""

from oslo_config import cfg

GROUP = "power"
OPTIONS = [
    cfg.FloatOpt(
        "device_timeout", default=5.0, min=0.1, help="Seconds that one command to a device may take."
    ),
    cfg.FloatOpt(
        "min_interval", default=0.0, min=0.0, help="Least seconds between two commands to the same device."
    ),
    cfg.FloatOpt(
        "session_idle", default=20.0, min=1.0, help="Seconds after which an unused session is closed."
    ),
    cfg.FloatOpt(
        "confirm_timeout",
        default=60.0,
        min=0.1,
        help="Seconds within which the device must show the asked state.",
    ),
    cfg.FloatOpt(
        "confirm_interval", default=0.5, min=0.01, help="Seconds between two looks at a changing device."
    ),
    cfg.FloatOpt(
        "soft_off_grace",
        default=120.0,
        min=0.0,
        help="Seconds for the operating system before power is cut hard.",
    ),
    cfg.FloatOpt(
        "off_on_pause",
        default=5.0,
        min=0.0,
        help="Seconds without power when a device without reset is cycled.",
    ),
    cfg.FloatOpt(
        "fleet_rate",
        default=500.0,
        min=0.0,
        help="Nodes per second that a bulk action switches; 0 is unlimited.",
    ),
    cfg.FloatOpt(
        "rack_rate", default=50.0, min=0.0, help="The same within one rack, to spare its feed inrush current."
    ),
    cfg.FloatOpt(
        "control_rate",
        default=5.0,
        min=0.0,
        help="The same for the outlets of one power control: a relay board, an outlet strip, a chassis.",
    ),
    cfg.IntOpt(
        "log_ons",
        default=32,
        min=0,
        help="SSH log-ons that one process has under way at once; further ones wait. 0 is unlimited.",
    ),
    cfg.BoolOpt(
        "protect_running_servers",
        default=False,
        help="Refuse to switch off or reset a node on which servers of Nova run, unless `force` is given.",
    ),
]
