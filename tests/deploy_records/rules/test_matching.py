from dataclasses import replace

import pytest

from deploy_records.rules.matching import By, Fit, Image, Platform, fit, has_platform, named, why_not
from deploy_records.scanners.report import ReportDigests
from tests.deploy_records.images import sha

AMD64 = Platform("linux/amd64", sha("amd64"), sha("amd64 config"))
ARM64 = Platform("linux/arm64", sha("arm64"), sha("arm64 config"))
ARM_7 = Platform("linux/arm/v7", sha("arm v7"), sha("arm v7 config"))
INDEX = Image(sha("index"), is_index=True, platforms=(AMD64, ARM64, ARM_7))
SINGLE = Image(AMD64.manifest, is_index=False, platforms=(AMD64,))


def said(*repo_digests: str, **more: str) -> ReportDigests:
    return ReportDigests(tuple(f"registry.example.com/any/name@{one}" for one in repo_digests), **more)


@pytest.mark.parametrize("image", [INDEX, SINGLE])
def test_a_repo_digest_that_is_a_platforms_manifest_fits_and_tells_the_platform(image: Image) -> None:
    assert fit(said(AMD64.manifest), image) == Fit(By.MANIFEST, "linux/amd64")


def test_a_repo_digest_that_is_the_index_fits_but_leaves_the_platform_open() -> None:
    assert fit(said(INDEX.digest), INDEX) == Fit(By.INDEX, "")


def test_the_platform_that_a_report_names_is_the_one_of_the_index() -> None:
    assert fit(said(INDEX.digest, platform="linux/arm64"), INDEX) == Fit(By.INDEX, "linux/arm64")


def test_the_image_id_beside_an_index_tells_the_platform() -> None:
    assert fit(said(INDEX.digest, image_id=ARM64.config), INDEX) == Fit(By.INDEX, "linux/arm64")


def test_tools_may_leave_the_variant_of_a_platform_out() -> None:
    assert fit(said(INDEX.digest, platform="linux/arm"), INDEX) == Fit(By.INDEX, "linux/arm/v7")


@pytest.mark.parametrize("what", ["index", "manifest", "image id"])
def test_another_platform_than_the_digests_does_not_fit(what: str) -> None:
    names = {
        "index": said(INDEX.digest, platform="windows/amd64"),
        "manifest": said(AMD64.manifest, platform="linux/arm64"),
        "image id": said(image_id=AMD64.config, platform="linux/arm64"),
    }
    assert fit(names[what], INDEX) is None
    assert "looked at" in why_not(names[what], INDEX)


def test_an_image_id_that_is_the_config_digest_fits() -> None:
    assert fit(said(image_id=AMD64.config), INDEX) == Fit(By.IMAGE_ID, "linux/amd64")


def test_an_engine_that_keeps_manifests_gives_their_digests_as_image_ids() -> None:
    assert fit(said(image_id=AMD64.manifest), INDEX) == Fit(By.MANIFEST, "linux/amd64")
    assert fit(said(image_id=INDEX.digest), INDEX) == Fit(By.INDEX, "")


def test_grypes_manifest_digest_counts_only_if_it_is_one() -> None:
    assert fit(said(manifest_digest=AMD64.manifest), INDEX) == Fit(By.MANIFEST, "linux/amd64")
    assert fit(said(manifest_digest=sha("made up from a daemon's image")), INDEX) is None
    assert fit(said(manifest_digest=AMD64.config), INDEX) is None


def test_the_closest_that_is_named_counts() -> None:
    both = said(INDEX.digest, manifest_digest=ARM64.manifest, image_id=ARM64.config)
    assert fit(both, INDEX) == Fit(By.MANIFEST, "linux/arm64")


def test_one_of_several_repo_digests_is_enough() -> None:
    assert fit(said(sha("elsewhere"), AMD64.manifest), SINGLE) == Fit(By.MANIFEST, "linux/amd64")


def test_the_name_says_nothing() -> None:
    digests = said(sha("another"))
    assert fit(digests, SINGLE) is None
    assert fit(replace(digests, repo_digests=(f"registry.example.com/team/personal-chatbot@{sha('another')}",)), SINGLE) is None


def test_a_report_that_names_nothing_fits_nothing() -> None:
    assert fit(ReportDigests(), SINGLE) is None
    assert fit(ReportDigests(platform="linux/amd64"), SINGLE) is None


def test_a_manifest_that_is_no_index_is_never_matched_as_one() -> None:
    damaged = Image(sha("index"), is_index=False, platforms=())
    assert fit(said(sha("index")), damaged) is None


def test_why_not_names_what_the_report_names_and_what_was_chosen() -> None:
    words = why_not(said(sha("another"), image_id=sha("its id")), SINGLE)
    assert sha("another") in words
    assert sha("its id") in words
    assert SINGLE.digest in words


def test_digests_are_named_once_the_closest_first() -> None:
    whole = said(INDEX.digest, AMD64.manifest, manifest_digest=AMD64.manifest, image_id=AMD64.config)
    assert named(whole) == (AMD64.manifest, INDEX.digest, AMD64.config)


def test_what_was_scanned_on_an_unknown_platform_may_be_any_image() -> None:
    assert has_platform(INDEX, "")
    assert has_platform(INDEX, "linux/arm64")
    assert not has_platform(INDEX, "linux/s390x")
