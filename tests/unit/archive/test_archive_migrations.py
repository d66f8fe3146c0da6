"""The migrations make the tables that the code asks for, on an empty index and on an old one with rows in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Inspector, create_engine, inspect, text

import dicomnode.archive.migrate as migrate_module
from dicomnode.archive import tables
from dicomnode.archive.contents import miscounted
from dicomnode.archive.database import Database
from dicomnode.archive.migrate import migrate

FIRST = "0001"
_VALUES = {"INTEGER": 1, "BIGINT": 1, "BOOLEAN": False, "DATETIME": "2026-01-02 03:04:05.000000"}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path / 'index.sqlite'}")


def upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate_module.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def schema(connection: Connection) -> dict[str, Any]:
    """Everything that the database says of its tables; the order of columns and constraints means nothing."""
    look = inspect(connection)
    return {name: described(look, name) for name in look.get_table_names() if name != "alembic_version"}


def described(look: Inspector, table: str) -> dict[str, list[str]]:
    parts: dict[str, Sequence[Mapping[str, Any]]] = {
        "columns": [{**column, "type": repr(column["type"])} for column in look.get_columns(table)],
        "indexes": [with_conditions(index) for index in look.get_indexes(table)],
        "foreign keys": look.get_foreign_keys(table),
        "unique": look.get_unique_constraints(table),
        "primary key": [look.get_pk_constraint(table)],
    }
    return {part: sorted(str(sorted(item.items(), key=str)) for item in items) for part, items in parts.items()}


def with_conditions(index: Mapping[str, Any]) -> dict[str, Any]:
    """Conditions of partial indexes as text; they are objects, of which no two are equal."""
    return {**index, "dialect_options": {key: str(value) for key, value in index["dialect_options"].items()}}


@pytest.fixture
def wanted() -> dict[str, Any]:
    """The schema that the code's own tables make."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        tables.metadata.create_all(connection)
        found = schema(connection)
    engine.dispose()
    return found


def test_an_empty_index_gets_the_tables_of_the_code(tmp_path: Path, engine: Engine, wanted: dict[str, Any]) -> None:
    database = Database(str(engine.url))
    migrate(database, tmp_path)
    with engine.connect() as connection:
        assert schema(connection) == wanted
    database.close()
    engine.dispose()


def test_an_index_of_the_first_schema_keeps_its_rows(tmp_path: Path, engine: Engine, wanted: dict[str, Any]) -> None:
    with engine.connect() as connection:
        upgrade(connection, FIRST)
        names = [table.name for table in tables.metadata.sorted_tables if inspect(connection).has_table(table.name)]
        before = {name: fill(connection, name) for name in names}
        connection.commit()
    assert len(before) > 10
    database = Database(str(engine.url))
    migrate(database, tmp_path)
    with engine.connect() as connection:
        assert schema(connection) == wanted
        for name, row in before.items():
            (after,) = connection.execute(text(f'SELECT * FROM "{name}"')).mappings().all()
            assert {key: after[key] for key in row} == row
    with database.read() as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(table.select()).all()  # every new column can be read from an old row
    database.close()
    engine.dispose()


def fill(connection: Connection, name: str) -> dict[str, Any]:
    """Put one row with a value in every column into a table."""
    row = {
        column["name"]: _VALUES.get(type(column["type"]).__name__.upper(), "1.2")
        for column in inspect(connection).get_columns(name)
    }
    columns, values = ", ".join(f'"{key}"' for key in row), ", ".join(f":{key}" for key in row)
    connection.execute(text(f'INSERT INTO "{name}" ({columns}) VALUES ({values})'), row)
    return dict(connection.execute(text(f'SELECT * FROM "{name}"')).mappings().one())


def test_what_an_index_of_the_second_schema_holds_is_counted(tmp_path: Path, engine: Engine) -> None:
    with engine.connect() as connection:
        upgrade(connection, "0002")
        fill(connection, "studies")
        fill(connection, "series")
        names = ", ".join(f'"{name}"' for name in fill(connection, "instances") if name != "sop_instance_uid")
        more = f"INSERT INTO instances (sop_instance_uid, {names}) SELECT '1.3', {names} FROM instances"
        connection.execute(text(more))
        connection.commit()
    database = Database(str(engine.url))
    migrate(database, tmp_path)
    with database.read() as connection:
        (row,) = connection.execute(tables.contents.select()).all()
    assert (row.study_instance_uid, row.held) == ("1.2", 2)
    assert miscounted(database) == []
    database.close()
    engine.dispose()
