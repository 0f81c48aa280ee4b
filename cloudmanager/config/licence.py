"""[license] the licence that `GET /v1/info` shows."""

from oslo_config import cfg

GROUP = "license"
OPTIONS = [
    cfg.StrOpt(
        "file",
        default="",
        help="The licence: a JSON document, with its Ed25519 signature in base64 beside it, in a file of the "
        "same name and `.sig`. Empty: none is shown. Nothing depends on it.",
    ),
    cfg.StrOpt(
        "public_key",
        default="",
        help="File with the public key, in PEM, of whoever issues licences.",
    ),
]
