"""[pxe] files from which machines start over the network."""

from oslo_config import cfg

GROUP = "pxe"
OPTIONS = [
    cfg.BoolOpt(
        "enabled",
        default=False,
        help="Whether assigned images become files, and machines are told to start from the network once.",
    ),
    cfg.StrOpt(
        "tftp_root",
        default="/srv/tftp",
        help="Directory that the TFTP server of this machine serves; empty on a machine that has none.",
    ),
    cfg.StrOpt(
        "template_directory",
        default="",
        help="Directory whose `pxelinux.j2`, `grub.j2` and `ipxe.j2` are used instead of the product's; what "
        "is not in it is not replaced.",
    ),
    cfg.FloatOpt(
        "sync_interval",
        default=60.0,
        min=0.0,
        help="Seconds between comparisons of the files with the inventory by a monitor; 0 is never.",
    ),
]
