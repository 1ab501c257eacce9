"""People of each role, and strangers to each other."""

import pytest
from django.contrib.auth.models import User

from tests.factories import person


@pytest.fixture
def operator(db: None) -> User:
    return person("Operator", name="olga")


@pytest.fixture
def release_manager(db: None) -> User:
    return person("Release manager", name="rolf")


@pytest.fixture
def auditor(db: None) -> User:
    return person("Auditor", name="aurel")


@pytest.fixture
def administrator(db: None) -> User:
    return person("Administrator", name="adele")


@pytest.fixture
def viewer(db: None) -> User:
    return person("Viewer", name="vera")


@pytest.fixture
def nobody(db: None) -> User:
    """Signed in, without any role."""
    return person(name="nils")
