import json
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from deploy_records.models import AuditEvent, PoamItem
from tests.deploy_records.exceptions import approved, requester, reviewer
from tests.deploy_records.people import person
from tests.deploy_records.poam_files.test_reading import B
from tests.deploy_records.test_poam_import import entry, source

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "poam.yaml"
    path.write_bytes(source(entry()).data)
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    call_command("poam", *map(str, words))
    return capsys.readouterr().out.strip()


def refused(*words: object) -> str:
    with pytest.raises(CommandError) as error:
        call_command("poam", *map(str, words))
    assert error.value.returncode == 2
    return str(error.value)


class TestValidate:
    def test_a_valid_file_is_said_to_be_so(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(capsys, "validate", file) == "poam.yaml is valid: 1 entry of form A."
        assert json.loads(run(capsys, "validate", file, "--json")) == {"valid": True, "dialect": "A", "entries": 1}

    def test_the_projects_own_file_is_valid(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "is valid" in run(capsys, "validate", Path(settings.BASE_DIR) / ".security" / "poam.yaml")

    def test_every_problem_is_told_with_its_line(self, file: Path) -> None:
        file.write_bytes(source(entry(owner=True), entry(id="POAM-0007")).data)
        said = refused("validate", file)
        assert "poam.yaml has 2 problems" in said
        assert said.count("poam.yaml, line") == 2

    def test_dates_are_judged_as_of_now(self, file: Path) -> None:
        file.write_text(B.replace("2026-", "2025-"))
        said = refused("validate", file)
        assert "EXC-3: It ended on 2025-11-30" in said

    def test_a_file_that_is_not_there_or_far_too_long_is_refused(self, tmp_path: Path) -> None:
        assert "cannot be read" in refused("validate", tmp_path / "nowhere.yaml")
        assert "cannot be read" in refused("validate", tmp_path)
        with (tmp_path / "huge").open("wb") as huge:
            huge.truncate(300_000_000)
        assert "longer than 1,000,000 bytes" in refused("validate", tmp_path / "huge")


class TestImport:
    def test_it_says_what_changed_and_the_second_time_that_nothing_did(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        requester()
        said = run(capsys, "import", file, "--by", "olga", "--committer", "Mara", "--repository", "ghcr.io/acme/bot")
        assert said.splitlines()[-1] == "1 of 1 entries changed."
        item = PoamItem.objects.get()
        assert (item.state, item.approved_in_git, item.repository) == ("requested", "Mara", "ghcr.io/acme/bot")
        again = run(capsys, "import", file, "--by", "olga", "--repository", "ghcr.io/acme/bot")
        assert again == "The ledger holds all of it already. Nothing was changed."

    def test_a_dry_run_changes_nothing(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        requester()
        said = json.loads(run(capsys, "import", file, "--by", "olga", "--dry-run", "--json"))
        assert (said["changed"], said["steps"][0]["becomes"]) == (1, "requested")
        assert not AuditEvent.objects.exists()

    def test_it_takes_a_person_with_the_role(self, file: Path) -> None:
        person("sten")
        assert "takes the role" in refused("import", file, "--by", "sten")
        assert "no active person named root" in refused("import", file, "--by", "root")
        with pytest.raises(CommandError, match="--by"):
            call_command("poam", "import", str(file))
        assert not PoamItem.objects.exists()


class TestDiff:
    def test_without_differences_it_says_so(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        approved()
        run(capsys, "export", tmp_path / "out.yaml")
        assert run(capsys, "diff", tmp_path / "out.yaml") == "The file and the ledger say the same."

    def test_differences_end_with_code_one(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        approved()
        with pytest.raises(SystemExit) as ended:
            call_command("poam", "diff", str(file))
        assert ended.value.code == 1
        assert capsys.readouterr().out.splitlines() == [
            "POAM-0007 (approved) is in the file only.", "POAM-0001 (approved) is in the ledger only.",
        ]  # fmt: skip

    def test_an_unusable_file_is_no_difference(self, file: Path) -> None:
        file.write_text("[")
        assert "not YAML" in refused("diff", file)


class TestExport:
    @pytest.mark.parametrize(("form", "begins"), [
        ("poam", b"# Exceptions"), ("trivyignore", b"# What Trivy"), ("grype", b"# What Grype"),
        ("vex", b"{"), ("fedramp", b"PK"), ("oscal", b"{"),
    ])  # fmt: skip
    def test_each_form_is_written(self, form: str, begins: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        approved()
        assert run(capsys, "export", tmp_path / "out", "--format", form) == ""
        assert (tmp_path / "out").read_bytes().startswith(begins)

    def test_an_ignore_file_for_an_image_holds_what_is_for_all_images_as_well(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        approved()
        approved(repository="ghcr.io/acme/bot")
        approved(repository="ghcr.io/acme/other")
        run(capsys, "export", tmp_path / "out", "--format", "trivyignore", "--repository", "ghcr.io/acme/bot")
        assert len(yaml.safe_load((tmp_path / "out").read_text())["vulnerabilities"]) == 2
        run(capsys, "export", tmp_path / "out", "--repository", "ghcr.io/acme/bot")
        assert [one["id"] for one in yaml.safe_load((tmp_path / "out").read_text())["exceptions"]] == ["POAM-0002"]

    def test_the_exported_file_excuses_for_the_gate_what_the_ledger_excuses(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        approved()
        run(capsys, "export", tmp_path / "poam.yaml")
        assert "1 entry of form A" in run(capsys, "validate", tmp_path / "poam.yaml")
        assert reviewer().username in (tmp_path / "poam.yaml").read_text()

    def test_what_cannot_be_written_is_refused(self, tmp_path: Path) -> None:
        assert "cannot be written" in refused("export", tmp_path / "no" / "such" / "folder")
        assert "no exception to write" in refused("export", tmp_path / "out", "--format", "oscal")
        with pytest.raises(CommandError, match="invalid choice"):
            call_command("poam", "export", str(tmp_path / "out"), "--format", "pdf")
