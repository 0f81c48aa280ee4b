"""A PostgreSQL database that is put back as it was: quicker than a new copy for every test."""

from __future__ import annotations

from sqlalchemy import create_engine, text

from cloudmanager.models import Base

SEQUENCES = text("SELECT schemaname || '.' || sequencename, last_value FROM pg_sequences")
SET_SEQUENCE = text("SELECT setval(:name, coalesce(:value, 1), :value IS NOT NULL)")
WITHOUT_TRIGGERS = text("SET LOCAL session_replication_role = replica")


class Pristine:
    """Remembers the rows and sequences that there are now."""

    def __init__(self, url):
        self._engine = create_engine(url, pool_pre_ping=True)
        with self._engine.connect() as connection:
            self._rows = {
                table: [dict(row) for row in connection.execute(table.select()).mappings()]
                for table in Base.metadata.sorted_tables
            }
            self._sequences = [
                {"name": name, "value": value} for name, value in connection.execute(SEQUENCES)
            ]

    def restore(self):
        """Put them back."""
        with self._engine.begin() as connection:
            connection.execute(WITHOUT_TRIGGERS)
            for table, rows in self._rows.items():
                connection.execute(table.delete())
                if rows:
                    connection.execute(table.insert(), rows)
            for sequence in self._sequences:
                connection.execute(SET_SEQUENCE, sequence)

    def close(self):
        self._engine.dispose()
