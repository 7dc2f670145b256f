"""What Alembic runs the steps with: the connection that `adapters/migrate.py` has opened and locked."""

from __future__ import annotations

from typing import Any

from alembic import context

from adapters.postgres_projects import METADATA, VERSION_TABLE


def is_ours(_: Any, name: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
    """Whether a comparison looks at it: other tables in the same database are somebody else's."""
    return not (kind == "table" and reflected and counterpart is None)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    include_object=is_ours,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
