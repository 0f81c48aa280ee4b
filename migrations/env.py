"""Alembic's entry: migrates the connection that `cloudmanager.schema` hands over."""

from alembic import context

from cloudmanager.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=context.config.attributes["connection"].dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
