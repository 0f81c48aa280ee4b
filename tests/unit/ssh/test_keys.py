"""Which host keys are trusted, and which private keys can be read."""

from __future__ import annotations

import asyncssh
import pytest

from cloudmanager.drivers.ssh import SshSettings
from cloudmanager.ssh import keys

SECRET = "the passphrase"


@pytest.fixture(scope="module")
def ed25519():
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def rsa():
    return asyncssh.generate_private_key("ssh-rsa", key_size=2048)


def line(key):
    return key.export_public_key().decode().strip()


def settings(**changes):
    return SshSettings(**{"host": "h1", "port": 22, **changes})


class TestLogOnKey:
    @pytest.mark.parametrize("kind", ["ed25519", "rsa"])
    @pytest.mark.parametrize("form", ["openssh", "pkcs8-pem", "pkcs1-pem"])
    @pytest.mark.parametrize("encrypted", [False, True])
    def test_forms(self, request, kind, form, encrypted):
        if (kind, form) == ("ed25519", "pkcs1-pem"):
            return
        key = request.getfixturevalue(kind)
        rounds = {"rounds": 50} if form == "openssh" and encrypted else {}
        text = key.export_private_key(form, SECRET if encrypted else None, **rounds).decode()
        # What browsers and editors make of it.
        for pasted in (text, "  " + text.strip(), text.replace("\n", "\r\n")):
            read = keys.log_on_key(pasted, SECRET)
            assert line(read.key).split()[1] == line(key).split()[1]
            assert read.was_encrypted is encrypted
        if encrypted:
            with pytest.raises(keys.BadKey, match="give its passphrase as the password"):
                keys.log_on_key(text, "")
            with pytest.raises(keys.BadKey, match="does not open"):
                keys.log_on_key(text, "wrong")

    @pytest.mark.parametrize(
        "text", ["x", "é", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"]
    )
    def test_what_is_no_key(self, text):
        with pytest.raises(keys.BadKey, match="not a private key") as caught:
            keys.log_on_key(text, SECRET)
        assert text not in str(caught.value)

    def test_a_public_key_is_no_private_key(self, ed25519):
        with pytest.raises(keys.BadKey, match="not a private key"):
            keys.log_on_key(line(ed25519), "")


class TestTrustedKeys:
    def test_a_pinned_key_is_the_only_one(self, ed25519, tmp_path):
        file = tmp_path / "known"
        file.write_text("h1 garbage\n")
        trusted = keys.trusted_keys(settings(host_key=line(ed25519), known_hosts=str(file)))
        assert [line(key) for key in trusted.hosts] == [line(ed25519)]

    def test_a_pin_that_is_no_key(self):
        with pytest.raises(keys.BadKey, match="host_key"):
            keys.trusted_keys(settings(host_key="SHA256:abc"))

    def test_files_of_known_hosts(self, ed25519, rsa, tmp_path):
        file = tmp_path / "known"
        file.write_text(
            f"h1 {line(ed25519)}\n[h1]:2222 {line(rsa)}\n@revoked h1 {line(rsa)}\nother ssh-new AAAA\n# words\n"
        )
        at_22, at_2222 = (
            keys.trusted_keys(settings(known_hosts=str(file), port=port)) for port in (22, 2222)
        )
        assert [line(key) for key in at_22.hosts] == [line(ed25519)]
        assert [line(key) for key in at_22.revoked] == [line(rsa)]
        assert [line(key) for key in at_2222.hosts] == [line(rsa)]
        assert not keys.trusted_keys(settings(host="h2", known_hosts=str(file))).hosts

    def test_a_file_that_changes_is_read_again(self, ed25519, tmp_path):
        file = tmp_path / "known"
        file.write_text("")
        wanted = settings(known_hosts=str(file))
        assert not keys.trusted_keys(wanted).hosts
        file.write_text(f"h1 {line(ed25519)}\n")
        assert keys.trusted_keys(wanted).hosts

    def test_the_file_of_the_daemons_user(self, ed25519, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert not keys.trusted_keys(settings(host="only-in-this-test")).hosts
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh" / "known_hosts").write_text(f"only-in-this-test {line(ed25519)}\n")
        assert keys.trusted_keys(settings(host="only-in-this-test")).hosts

    @pytest.mark.parametrize("content", [None, "@wrong h1 x\n", "one-word\n", b"\xff\xfe"])
    def test_a_named_file_that_cannot_be_read(self, tmp_path, content):
        file = tmp_path / "known"
        if content is not None:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(keys.BadKey, match="cannot be read"):
            keys.trusted_keys(settings(known_hosts=str(file)))
