import pytest
from django.contrib.auth.models import User

from deploy_records import ledger, lookup
from deploy_records.errors import Invalid, Refused
from tests.deploy_records.images import REPOSITORY, index, sha, single

pytestmark = pytest.mark.django_db
OTHER = "registry.example.com/other/personal-chatbot"


def test_an_entry_is_found_by_repository_and_digest_only(operator: User) -> None:
    entry = ledger.register(single("build 1", tag="1.0.0"), operator)
    assert lookup.find(REPOSITORY, sha("build 1")) == entry
    assert lookup.find(OTHER, sha("build 1")) is None
    assert lookup.find(REPOSITORY, "1.0.0") is None
    assert lookup.repositories_of(sha("build 1")) == [REPOSITORY]


@pytest.mark.parametrize(
    ("image_id", "repo_digests"),
    [
        (sha("build 1 amd64 config"), []),  # classic store, loaded from a file
        (sha("build 1 amd64 config"), [f"{REPOSITORY}@{sha('build 1')}"]),  # pulled by tag or index
        (sha("unheard of"), [f"{REPOSITORY}@{sha('build 1 arm64')}"]),  # pulled by a platform's manifest
        (sha("build 1 amd64"), []),  # containerd store: the manifest is the image ID
        (sha("build 1"), []),  # containerd store: the index is the image ID
        (sha("unheard of"), [f"mirror.example.com/copy@{sha('build 1')}"]),  # the digest decides, not the name
    ],
)
def test_an_engines_image_is_found_by_whichever_digest_the_engine_shows(
    operator: User, image_id: str, repo_digests: list[str]
) -> None:
    entry = ledger.register(index("build 1"), operator)
    ledger.register(index("build 2"), operator)
    assert lookup.find_by_image(REPOSITORY, image_id, repo_digests) == entry


def test_an_engines_image_is_never_found_by_name_tag_or_nothing(operator: User) -> None:
    ledger.register(index("build 1", tag="1.0.0"), operator)
    assert lookup.find_by_image(REPOSITORY, sha("unheard of"), [f"{REPOSITORY}:1.0.0"]) is None
    assert lookup.find_by_image(REPOSITORY, "", []) is None
    assert lookup.find_by_image(REPOSITORY, "", [""]) is None
    assert lookup.find_by_image(OTHER, sha("build 1 amd64 config"), [f"{OTHER}@{sha('build 1')}"]) is None


def test_of_two_entries_with_the_same_image_the_preferred_one_is_found_else_the_one_it_was_pulled_by(operator: User) -> None:
    whole = ledger.register(index("build 1"), operator)
    alone = ledger.register(
        ledger.Resolved(REPOSITORY, sha("build 1 amd64"), index("build 1").platforms[:1]),
        operator,
    )
    image_id = sha("build 1 amd64 config")
    pulled = [f"{REPOSITORY}@{sha('build 1')}"]
    assert lookup.find_by_image(REPOSITORY, image_id, pulled) == whole
    assert lookup.find_by_image(REPOSITORY, image_id, [f"{REPOSITORY}@{alone.digest}"]) == alone
    assert lookup.find_by_image(REPOSITORY, image_id, pulled, prefer=alone.digest) == alone
    assert lookup.find_by_image(REPOSITORY, image_id, prefer=whole.digest) == whole


def test_a_digest_that_is_not_in_the_ledger_is_refused_with_what_it_is(operator: User) -> None:
    ledger.register(index("build 1"), operator)
    ledger.register(single("theirs", repository=OTHER), operator)
    assert lookup.get(REPOSITORY, sha("build 1")).repository == REPOSITORY
    for digest, says in (
        (sha("build 1 amd64 config"), f"is an image ID, not a digest. The digest of this image is {sha('build 1')}"),
        (sha("build 1 amd64"), "is one platform of"),
        (sha("theirs"), f"for another repository, {OTHER}"),
        (sha("unheard of"), "Register it first"),
    ):
        with pytest.raises(Refused, match=says):
            lookup.get(REPOSITORY, digest)
    with pytest.raises(Invalid):
        lookup.get(REPOSITORY, "latest")
