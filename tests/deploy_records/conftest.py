import hypothesis
import pytest
from django.contrib.auth.models import User

from deploy_records import ledger
from deploy_records.models import ImageDigest
from tests.deploy_records.images import single
from tests.deploy_records.people import OPERATOR, RELEASE_MANAGER, person
from tests.factories import scanned

# Time says nothing here: other work on the machine takes it.
hypothesis.settings.register_profile("known-good", deadline=None)
hypothesis.settings.load_profile("known-good")


@pytest.fixture
def operator(db: None) -> User:
    return person("otto", *OPERATOR)


@pytest.fixture
def manager(db: None) -> User:
    return person("mira", *RELEASE_MANAGER)


@pytest.fixture
def other_manager(db: None) -> User:
    return person("nils", *RELEASE_MANAGER)


@pytest.fixture
def stranger(db: None) -> User:
    return person("sten")


@pytest.fixture
def candidate(operator: User) -> ImageDigest:
    """With an image scan that has no findings."""
    return scanned(ledger.register(single("build 1", tag="sha-1111111"), operator))


@pytest.fixture
def approved(candidate: ImageDigest, manager: User) -> ImageDigest:
    return ledger.approve(candidate, manager).entry


@pytest.fixture
def known_good(approved: ImageDigest) -> ImageDigest:
    ledger.note_healthy(approved)
    return ImageDigest.objects.get(pk=approved.pk)
