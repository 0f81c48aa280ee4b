"""The Ed25519 keys that records are signed with: one is current, those before it only verify.

They stand in the database, sealed with the vault: whoever can write there, and has no key file, can put
neither a key of his own nor an old one's private half among them.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import select, update

from cloudmanager.db import insert_or_ignore
from cloudmanager.errors import Misconfigured
from cloudmanager.models import SigningKey, utc_now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloudmanager.vault import Vault

_PRIVATE, _PUBLIC = "ed25519-private", "ed25519-public"


class SigningKeys:
    """Signs and verifies. Without a vault it does neither, and says so."""

    def __init__(self, vault: Vault | None) -> None:
        self._vault = vault
        self._public: dict[str, Ed25519PublicKey] = {}

    def sign(self, session: Session, content: bytes) -> tuple[str, str]:
        """The id of the current key and its signature in base64; the first use makes the first key."""
        key_id, key = self._current(session)
        return key_id, base64.b64encode(key.sign(content)).decode()

    def verify(self, session: Session, key_id: str, signature: str, content: bytes) -> bool | None:
        """Whether the signature is that of the key; None when we have no such key, so that nobody knows."""
        key = self._public_key(session, key_id)
        if key is None:
            return None
        try:
            key.verify(base64.b64decode(signature), content)
        except (InvalidSignature, ValueError):
            return False
        return True

    def current_id(self, session: Session) -> str:
        """The id of the key that signs."""
        return self._current(session)[0]

    def rotate(self, session: Session) -> str:
        """Let a new key sign from now on; answers its id. Of the old one the public half alone is kept."""
        old_id, old = self._current(session)
        public = base64.b64encode(old.public_key().public_bytes_raw()).decode()
        retired = {"sealed": self._seal(_PUBLIC, public), "is_current": None, "retired_at": utc_now()}
        session.execute(update(SigningKey).where(SigningKey.id == old_id).values(retired))
        self._make(session)
        return self.current_id(session)

    def _current(self, session: Session) -> tuple[str, Ed25519PrivateKey]:
        query = select(SigningKey.id, SigningKey.sealed).where(SigningKey.is_current.is_(True))
        found = session.execute(query).one_or_none()
        if found is None:
            self._make(session)
            found = session.execute(query).one()
        kind, raw = self._open(found.sealed)
        key = Ed25519PrivateKey.from_private_bytes(raw) if kind == _PRIVATE else None
        if key is None or _id_of(key.public_key()) != found.id:
            raise Misconfigured(f"the signing key {found.id} in the database is not what was stored there")
        return found.id, key

    def _make(self, session: Session) -> None:
        """Make a current key, unless somebody else was quicker."""
        key = Ed25519PrivateKey.generate()
        values = {
            "id": _id_of(key.public_key()),
            "sealed": self._seal(_PRIVATE, base64.b64encode(key.private_bytes_raw()).decode()),
            "is_current": True,
            "created_at": utc_now(),
        }
        session.execute(insert_or_ignore(session, SigningKey).values(values))

    def _public_key(self, session: Session, key_id: str) -> Ed25519PublicKey | None:
        if key_id not in self._public:
            sealed = session.scalar(select(SigningKey.sealed).where(SigningKey.id == key_id))
            if sealed is None:
                return None
            try:
                kind, raw = self._open(sealed)
            except Misconfigured:
                return None
            private = kind == _PRIVATE
            key = (
                Ed25519PrivateKey.from_private_bytes(raw).public_key()
                if private
                else Ed25519PublicKey.from_public_bytes(raw)
            )
            if _id_of(key) != key_id:
                return None
            self._public[key_id] = key
        return self._public[key_id]

    def _seal(self, kind: str, encoded: str) -> str:
        return self._have_vault().seal(f"{kind} {encoded}") or ""

    def _open(self, sealed: str) -> tuple[str, bytes]:
        vault = self._have_vault()
        vault.check(sealed)
        kind, _, encoded = vault.open(sealed).partition(" ")
        return kind, base64.b64decode(encoded)

    def _have_vault(self) -> Vault:
        if self._vault is None:
            raise Misconfigured("this process has no [secrets] key_file, so that it cannot sign or verify")
        return self._vault


def _id_of(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]
