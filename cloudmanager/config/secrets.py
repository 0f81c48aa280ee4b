"""[secrets] the keys that passwords of devices are encrypted with."""

from oslo_config import cfg

GROUP = "secrets"
OPTIONS = [
    cfg.StrOpt(
        "key_file",
        default="secret.key",
        help="File of Fernet keys, one a line, mode 0600. The first encrypts, all decrypt. "
        "To rotate: put a new key before the old one, restart, run `cloudmanager db rotate-secrets`.",
    ),
]
