"""A PostgreSQL server for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from omniedit.testing.postgres import PostgresServer, postgres_programs


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all; without its programs the tests that want it are skipped."""
    if postgres_programs() is None:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    with PostgresServer() as server:
        yield server


@pytest.fixture
def dsn(postgres_server: PostgresServer) -> str:
    """The address of an empty database."""
    return postgres_server.database()
