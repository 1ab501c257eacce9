"""One stage for all tests of faults; see `stage`."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

from tests import machine
from tests.docker.faults import workers
from tests.docker.faults.own_database import own_database
from tests.docker.registries import LocalRegistry

pytest.register_assert_rewrite("tests.docker.faults.stage", "tests.docker.faults.data_stand")

from tests.docker.faults.stage import Stage  # noqa: E402 - its assertions are to tell what they saw


@pytest.fixture(scope="session")
def _set_stage(
    registry: LocalRegistry, base_image: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with own_database(folder, django_db_blocker) as database:
        binary = {"KG_RESTIC_BINARY": machine.restic_binary()}
        workers.serve({"DATABASE_URL": database.url, "KG_STATE_DIR": str(settings.STATE_DIR), **binary})
        stage = Stage(registry, database, folder, base_image)
        yield stage
        with database.in_use():
            stage.clear()


@pytest.fixture(scope="module")
def stage(_set_stage: Stage) -> Iterator[Stage]:
    """While a module's tests run, this process uses the stage's database."""
    with _set_stage.database.in_use():
        yield _set_stage
