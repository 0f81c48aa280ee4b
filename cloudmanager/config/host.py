"""[host] the way into the operating systems of nodes, over SSH."""

from oslo_config import cfg

GROUP = "host"
OPTIONS = [
    cfg.StrOpt(
        "login",
        default="cloudmanager",
        help="Account on the nodes, unless a node has its own. Its shell has to be a POSIX shell.",
    ),
    cfg.StrOpt(
        "key_file",
        default="",
        help="File with the private SSH key that logs on, readable by the daemon's user alone.",
    ),
    cfg.StrOpt(
        "password",
        default="",
        secret=True,
        help="Password of the account, or passphrase of the key when that is encrypted.",
    ),
    cfg.PortOpt("port", default=22, min=1, help="TCP port of the nodes' SSH servers."),
    cfg.StrOpt(
        "known_hosts",
        default="",
        help="File of known host keys; empty: `/etc/ssh/ssh_known_hosts` and `~/.ssh/known_hosts`.",
    ),
    cfg.BoolOpt(
        "pin_on_first_contact",
        default=False,
        help="Trust and store the first key that a node shows when none is known of it. Whoever sits between "
        "at that moment is trusted too; without it an unknown key is refused.",
    ),
    cfg.BoolOpt(
        "sudo",
        default=True,
        help="Put `sudo -n` before commands that need root, unless the account is root itself.",
    ),
    cfg.FloatOpt("connect_timeout", default=10.0, min=0.1, help="Seconds that a log-on to a node may take."),
    cfg.FloatOpt("idle", default=60.0, min=1.0, help="Seconds after which an unused connection is closed."),
    cfg.IntOpt(
        "connections",
        default=200,
        min=1,
        help="Connections that one process keeps open; idle ones make room for others.",
    ),
    cfg.IntOpt(
        "sessions",
        default=4,
        min=1,
        max=10,
        help="Commands that run on one node at once; `sshd` allows 10 unless its MaxSessions says otherwise.",
    ),
    cfg.IntOpt(
        "log_ons",
        default=32,
        min=0,
        help="Log-ons that one process has under way at once; further ones wait. 0 is unlimited.",
    ),
    cfg.StrOpt(
        "commands_file",
        default="",
        help="TOML file of commands that replace or add to those that are run on nodes; `cloudmanager host "
        "commands` shows all.",
    ),
]
