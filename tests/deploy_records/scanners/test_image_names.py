import pytest

from deploy_records.scanners import image_names
from deploy_records.scanners.report import ReportDigests
from tests.deploy_records.scanners.image_reports import HEX, IMAGE_ID, INDEX, MANIFEST


@pytest.mark.parametrize("text", ["", "sha256:abc", f"sha512:{HEX}", INDEX.upper(), HEX, f"{INDEX} ", f"{INDEX}0"])
def test_what_does_not_look_like_a_digest_is_none(text: str) -> None:
    assert image_names.digest(text) == ""
    assert image_names.repo_digests([f"app@{text}"]) == ()


def test_repo_digests_are_kept_once_with_their_names() -> None:
    assert image_names.repo_digests([f"app@{INDEX}", INDEX, f"app@{INDEX}", "", "app:1"]) == (f"app@{INDEX}", INDEX)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("linux", "amd64", ""), "linux/amd64"),
        (("linux", "arm64", "v8"), "linux/arm64"),
        (("linux", "arm", "v7"), "linux/arm/v7"),
        (("Linux", "AMD64", ""), "linux/amd64"),
        (("", "amd64", ""), ""),
        (("linux", "", "v7"), ""),
    ],
)
def test_a_platform_is_written_in_one_way(parts: tuple[str, str, str], expected: str) -> None:
    assert image_names.platform(*parts) == expected


@pytest.mark.parametrize(
    ("purl", "expected"),
    [
        (f"pkg:oci/app@sha256%3A{HEX}?repository_url=ghcr.io%2Fowner%2Fapp&arch=arm64", f"ghcr.io/owner/app@{INDEX}"),
        (f"pkg:oci/app@{INDEX}", f"app@{INDEX}"),
        ("pkg:oci/app@1.2", ""),
        ("pkg:oci/app", ""),
        (f"pkg:deb/debian/curl@{INDEX}", ""),
        (f"pkg:oci/app@{INDEX}?repository_url={'x' * 500}", ""),
    ],
)
def test_the_digest_in_a_package_url_is_found(purl: str, expected: str) -> None:
    assert image_names.from_oci_purl(purl) == expected


def test_of_several_places_the_first_that_says_something_counts() -> None:
    one = ReportDigests(repo_digests=(f"a@{INDEX}",), platform="linux/amd64")
    other = ReportDigests(
        repo_digests=(f"a@{INDEX}", f"b@{INDEX}"), manifest_digest=MANIFEST, image_id=IMAGE_ID, platform="linux/arm64"
    )
    merged = image_names.merged(one, other)
    assert merged == ReportDigests((f"a@{INDEX}", f"b@{INDEX}"), MANIFEST, IMAGE_ID, "linux/amd64")
