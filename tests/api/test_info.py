"""`GET /v1/info`: the version, and what there is to tell of the licence."""

import base64
import json
import shutil
import subprocess
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloudmanager import app, config
from cloudmanager.api import info
from cloudmanager.api.services import attach
from cloudmanager.errors import Misconfigured

SAID = {
    "created_at": 1538141220,
    "expire_at": 1545955200,
    "module_package": "cloud_manager",
    "name": "TestLicense",
    "product": "CloudManager",
    "surrogate_name": "CloudManager",
    "unique_id": "04-002-4b21d15097656c2c0834",
}
IN_FORCE = 1_540_000_000.0


class Licence:
    """A file, its signature and the issuer's key, in a directory."""

    def __init__(self, directory):
        self.file = directory / "license.json"
        self.signature = directory / "license.json.sig"
        self.public_key = directory / "issuer.pub"
        self.issuer = Ed25519PrivateKey.generate()
        public = self.issuer.public_key()
        self.public_key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.write()

    def write(self, said=SAID, issuer=None):
        content = said if isinstance(said, bytes) else json.dumps(said, indent=2).encode()
        self.file.write_bytes(content)
        self.signature.write_bytes(base64.encodebytes((issuer or self.issuer).sign(content)))

    def config(self):
        return config.load(
            None, {("license", "file"): str(self.file), ("license", "public_key"): str(self.public_key)}
        )


@pytest.fixture
def licence(api, tmp_path, monkeypatch):
    made = Licence(tmp_path)
    attach(api.app, replace(api.services, config=made.config()))
    monkeypatch.setattr(info.time, "time", lambda: IN_FORCE)
    return made


def shown(api):
    return api.get("/v1/info", role="reader")["info"]["license"]


def test_without_a_licence(api):
    assert set(api.get("/v1/info", role="reader")["info"]) == {"version"}


def test_a_good_one(api, licence):
    assert shown(api) == {**SAID, "verified": True, "problem": None}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"expire_at": int(IN_FORCE)}, "it has expired"),
        ({"created_at": int(IN_FORCE) + 1}, "it is not in force yet"),
        ({"module_package": "other"}, "it is for other, not for cloud_manager"),
    ],
)
def test_one_that_is_signed_and_does_not_count(api, licence, change, problem):
    licence.write({**SAID, **change})
    assert shown(api) == {**SAID, **change, "verified": False, "problem": problem}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{}",
        b"[1]",
        b"{",
        {**SAID, "name": 7},
        {**SAID, "expire_at": "never"},
        {**SAID, "expire_at": True},
    ],
)
def test_what_is_no_licence(api, licence, said):
    licence.write(said)
    assert shown(api) == {
        **dict.fromkeys(SAID),
        "verified": False,
        "problem": "it is signed, and not a licence",
    }


def test_nothing_is_believed_that_is_not_signed(api, licence):
    nothing = {**dict.fromkeys(SAID), "verified": False}
    licence.file.write_bytes(licence.file.read_bytes().replace(b"1545955200", b"9545955200"))
    assert shown(api) == {**nothing, "problem": "the signature is not the issuer's"}
    licence.write(issuer=Ed25519PrivateKey.generate())
    assert shown(api) == {**nothing, "problem": "the signature is not the issuer's"}
    licence.signature.write_bytes(b"a")
    assert shown(api) == {**nothing, "problem": "the signature is not base64"}
    licence.signature.unlink()
    assert shown(api)["problem"].startswith("the licence or its signature cannot be read: No such file")


def test_a_renewed_one_needs_no_restart(api, licence):
    licence.write({**SAID, "expire_at": 1})
    assert not shown(api)["verified"]
    licence.write()
    assert shown(api)["verified"]


@pytest.mark.parametrize("public_key", ["", "/nowhere", "licence", "rsa"])
def test_a_key_that_is_none_stops_the_start(tmp_path, licence, public_key):
    if public_key == "licence":
        public_key = str(licence.file)
    if public_key == "rsa":
        from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

        public = generate_private_key(65537, 2048).public_key()
        licence.public_key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        public_key = str(licence.public_key)
    given = licence.config()
    given.set_override("public_key", public_key, "license")
    with pytest.raises(Misconfigured, match=r"\[license\] public_key"):
        app.check(given)
    app.check(config.load())


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_openssl_makes_one_as_the_guide_says(api, licence, tmp_path):
    script = """
        openssl genpkey -algorithm ed25519 -out issuer.pem
        openssl pkey -in issuer.pem -pubout -out issuer.pub
        openssl pkeyutl -sign -rawin -inkey issuer.pem -in license.json | base64 -w0 > license.json.sig
    """
    subprocess.run(["bash", "-ec", script], cwd=tmp_path, check=True, capture_output=True, timeout=30)
    assert shown(api)["verified"]
    from pathlib import Path

    guide = (Path(__file__).parents[2] / "docs" / "operator-guide.md").read_text()
    assert all(line.strip() in guide for line in script.strip().splitlines())
