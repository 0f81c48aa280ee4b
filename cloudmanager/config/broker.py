"""[broker] the queue between the API and the workers."""

from oslo_config import cfg

GROUP = "broker"
OPTIONS = [
    cfg.StrOpt(
        "url",
        default="redis://127.0.0.1:6379/0",
        secret=True,
        help="Celery broker URL (Redis, Valkey or RabbitMQ). It carries ids only; losing it loses no work.",
    ),
    cfg.FloatOpt(
        "timeout", default=3.0, min=0.1, help="Seconds to wait for the broker before doing without it."
    ),
]
