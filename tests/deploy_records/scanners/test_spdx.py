import pytest

from deploy_records.scanners.report import Component, ReportKind
from tests.deploy_records.scanners.image_reports import IMAGE_ID, INDEX, MANIFEST
from tests.deploy_records.scanners.reports import changed
from tests.deploy_records.scanners.sbom_reports import SPDX
from tests.deploy_records.scanners.understand import refusal, understood


def test_the_header_says_what_was_scanned_when_and_with_what() -> None:
    report = understood(SPDX).report
    assert (report.format, report.tool, report.version, report.target) == ("spdx", "syft", "1.18.0", "ghcr.io/owner/app")
    assert report.kinds == (ReportKind.SBOM,)
    assert report.created_at


def test_packages_are_components_and_nothing_is_a_finding() -> None:
    found = understood(SPDX)
    assert found.findings == []
    assert found.components[1] == Component("curl", "7.88.1-10", "", "pkg:deb/debian/curl@7.88.1-10", ("curl",))


def test_the_image_is_known_by_the_package_that_stands_for_it() -> None:
    digests = understood(SPDX).report.digests
    assert digests.repo_digests == (f"ghcr.io/owner/app@{INDEX}",)
    assert (digests.manifest_digest, digests.image_id) == (MANIFEST, IMAGE_ID)


def test_what_trivy_notes_as_annotations_is_read_too() -> None:
    package = {"name": "app", "primaryPackagePurpose": "CONTAINER", "annotations": [{"comment": f"RepoDigest: app@{INDEX}"}]}
    assert understood(changed(SPDX, "packages", to=[package])).report.digests.repo_digests == (f"app@{INDEX}",)


def test_a_document_of_a_folder_names_no_image() -> None:
    assert not understood(changed(SPDX, "packages", to=SPDX["packages"][1:])).report.digests


def test_the_object_that_github_puts_around_it_is_opened() -> None:
    assert understood({"sbom": SPDX}).components == understood(SPDX).components


@pytest.mark.parametrize("version", ["SPDX-2.2", "SPDX-2.3"])
def test_both_versions_in_use_are_read(version: str) -> None:
    assert len(understood({**SPDX, "spdxVersion": version}).components) == 2


@pytest.mark.parametrize("version", ["SPDX-1.2", "SPDX-3.0", "2.3", None])
def test_another_version_is_refused(version: object) -> None:
    assert "at spdxVersion: expected SPDX-2.2 or SPDX-2.3" in refusal({**SPDX, "spdxVersion": version})


def test_a_package_without_a_name_is_refused_with_its_place() -> None:
    assert "at packages[1].name: expected a text, found nothing" in refusal(changed(SPDX, "packages", 1, "name", to=""))


def test_a_document_without_packages_is_refused() -> None:
    assert "lists no components" in refusal({**SPDX, "packages": []})
