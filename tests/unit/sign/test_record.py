"""Records of signed servers: whatever is changed in the database is noticed, with old keys and new."""

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, select, text, update

from cloudmanager.errors import Misconfigured
from cloudmanager.models import Node, Signature, SigningKey, utc_now
from cloudmanager.sign.keys import SigningKeys
from cloudmanager.sign.record import Trust, seal, trust_in, validity_of
from cloudmanager.vault import Vault

BASELINE = {"strict": "1:a", "portable": "1:b", "firmware": {"/f": "c"}, "own": {}}


@pytest.fixture
def vault(tmp_path):
    return vault_at(tmp_path / "secret.key", Fernet.generate_key())


def vault_at(path, *keys):
    path.write_bytes(b"\n".join(keys))
    path.chmod(0o600)
    return Vault(path)


@pytest.fixture
def keys(vault):
    return SigningKeys(vault)


@pytest.fixture
def signed(database, keys):
    """The id of a signed record."""
    with database.transaction() as session:
        session.add(Node(id=1, name="r1n01"))
        session.add(Node(id=2, name="r1n02"))
        session.flush()
        row = Signature(
            server_id="s",
            instance_name="i",
            node_id=1,
            is_valid="true",
            baseline=BASELINE,
            locked_for=1,
            created_at=utc_now(),
        )
        seal(session, row, keys)
        return row.id


def change(database, **values):
    with database.transaction() as session:
        session.execute(update(Signature).values(**values))


def trust(database, keys, key=1):
    with database.reading() as session:
        return trust_in(session, session.get(Signature, key), keys)


@pytest.mark.both_databases
def test_what_we_wrote_is_ours_also_after_reading_it_from_the_database(database, keys, signed, vault):
    assert trust(database, keys, signed) is Trust.OURS
    assert trust(database, SigningKeys(vault), signed) is Trust.OURS
    with database.reading() as session:
        columns = session.execute(select(Signature.__table__)).one()
        assert trust_in(session, columns, keys) is Trust.OURS


@pytest.mark.parametrize(
    "values",
    [
        {"id": 7},
        {"server_id": "t"},
        {"instance_name": None},
        {"node_id": 2},
        {"is_valid": "false"},
        {"reason": "x"},
        {"baseline": {**BASELINE, "strict": "1:x"}},
        {"baseline": {**BASELINE, "firmware": {}}},
        {"baseline": None},
        {"locked_for": None},
        {"created_at": utc_now().replace(year=2000)},
        {"updated_at": utc_now()},
        {"signature": ""},
        {"signature": "A" * 88},
        {"signature": "no base64"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_every_column_is_signed(database, keys, signed, values):
    change(database, **values)
    assert trust(database, keys, values.get("id", signed)) is Trust.CHANGED
    with database.reading() as session:
        row = session.scalars(select(Signature)).one()
        validity, reason = validity_of(session, row, keys)
        assert validity == "false"
        assert "other hands" in reason


def test_a_rotation_keeps_what_was_signed_and_the_private_half_of_the_old_key_is_gone(
    database, keys, signed, vault
):
    with database.transaction() as session:
        old = keys.current_id(session)
        new = keys.rotate(session)
        assert new == keys.current_id(session) != old
    for known in (keys, SigningKeys(vault)):
        assert trust(database, known, signed) is Trust.OURS
    with database.reading() as session:
        sealed = dict(session.execute(select(SigningKey.id, SigningKey.sealed)).all())
        assert vault.open(sealed[old]).startswith("ed25519-public ")
        assert vault.open(sealed[new]).startswith("ed25519-private ")
        assert session.get(SigningKey, old).retired_at is not None
    with database.transaction() as session:
        row = session.get(Signature, signed)
        seal(session, row, keys)
        assert row.key_id == new


def test_a_key_that_is_not_there_is_unknown_and_never_false(database, keys, signed, vault):
    change(database, key_id="0" * 32)
    assert trust(database, keys, signed) is Trust.NO_KEY
    with database.reading() as session:
        assert validity_of(session, session.get(Signature, signed), keys)[0] == "unknown"


def test_another_key_file_makes_unknown(database, signed, tmp_path):
    other = SigningKeys(vault_at(tmp_path / "other.key", Fernet.generate_key()))
    assert trust(database, other, signed) is Trust.NO_KEY
    with database.transaction() as session, pytest.raises(Misconfigured, match="key_file"):
        other.sign(session, b"")


def test_without_a_key_file_nothing_is_signed(database):
    with database.transaction() as session, pytest.raises(Misconfigured, match="key_file"):
        SigningKeys(None).sign(session, b"")


def test_a_key_that_somebody_else_has_put_there_is_not_taken(database, keys, signed, vault):
    """Who has the database alone can make a key, and cannot seal it; nor swap what others have sealed."""
    with database.transaction() as session:
        mine = keys.current_id(session)
        keys.rotate(session)
        sealed = session.scalar(select(SigningKey.sealed).where(SigningKey.id == mine))
        session.execute(insert(SigningKey).values(id="1" * 32, sealed="gAAAA", created_at=utc_now()))
        session.execute(insert(SigningKey).values(id="2" * 32, sealed=sealed, created_at=utc_now()))
    for foreign in ("1" * 32, "2" * 32):
        change(database, key_id=foreign)
        assert trust(database, SigningKeys(vault), signed) is Trust.NO_KEY
    with database.transaction() as session:
        session.execute(text("UPDATE signing_keys SET is_current = NULL"))
        session.execute(update(SigningKey).where(SigningKey.id == "2" * 32).values(is_current=True))
        with pytest.raises(Misconfigured, match="signing key"):
            SigningKeys(vault).sign(session, b"")


@pytest.mark.both_databases
def test_two_first_uses_at_once_make_one_key(database, vault):
    import threading

    gate, made = threading.Barrier(3), []

    def first():
        gate.wait()
        with database.transaction() as session:
            made.append(SigningKeys(vault).current_id(session))

    threads = [threading.Thread(target=first) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3
    assert len(set(made)) == 1
