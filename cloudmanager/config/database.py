"""[database] where everything is kept."""

from oslo_config import cfg

GROUP = "database"
OPTIONS = [
    cfg.StrOpt(
        "connection",
        default="sqlite:///cloudmanager.db",
        secret=True,
        help="SQLAlchemy URL: sqlite:///path or postgresql+psycopg://user:password@host/name.",
    ),
    cfg.IntOpt("pool_size", default=10, min=1, help="Connections that one process keeps open."),
    cfg.FloatOpt(
        "busy_timeout",
        default=15.0,
        min=0.1,
        help="Seconds that a writer waits for another before it gives up.",
    ),
    cfg.FloatOpt(
        "statement_timeout",
        default=60.0,
        min=1.0,
        help="PostgreSQL: seconds after which a statement, or a transaction that does nothing, is ended.",
    ),
    cfg.StrOpt(
        "sqlite_synchronous",
        default="FULL",
        choices=[
            ("FULL", "An answered request survives a power cut."),
            (
                "NORMAL",
                "Faster; the last second may be lost in a power cut, never in a crash of the process.",
            ),
        ],
        help="SQLite: when a transaction counts as written.",
    ),
]
