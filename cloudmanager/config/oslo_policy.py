"""[oslo_policy] which role may do what."""

from oslo_config import cfg

GROUP = "oslo_policy"
OPTIONS = [
    cfg.StrOpt(
        "policy_file",
        help="YAML file of rules that differ from the defaults (`cloudmanager policy sample` prints those). "
        "A relative name is looked for beside the configuration file. Read when the API starts.",
    ),
]
