"""Which restic is run, and what is said when there is none."""

import shutil
import sys
from pathlib import Path

import pytest
from django.conf import settings

from chatbot_service.restic_binary import find_binary
from deploy_records.errors import Refused


def restic(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable} -S\nprint({says!r})\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["0.17.0", "0.18.1-dev", "1.0.0"])
def test_a_new_restic_is_taken(tmp_path: Path, version: str) -> None:
    binary = restic(tmp_path / "restic", f"restic {version} compiled with go1.24.4 on linux/amd64")
    assert find_binary(str(binary)) == str(binary)


@pytest.mark.parametrize(("says", "named"), [("restic 0.14.0 compiled with", "is 0.14.0"), ("hello", "is not restic")])
def test_an_old_restic_is_refused_with_what_to_do(tmp_path: Path, says: str, named: str) -> None:
    binary = restic(tmp_path / "restic", says)
    with pytest.raises(Refused, match=r"Restic 0\.17 or newer was not found at") as refused:
        find_binary(str(binary))
    assert named in str(refused.value)
    assert "KG_RESTIC_BINARY" in str(refused.value)


def test_the_one_of_the_state_folder_comes_before_the_path_and_an_old_one_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "STATE_DIR", tmp_path / "state")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert shutil.which("restic") is None
    with pytest.raises(Refused, match="not found on this host"):
        find_binary()
    on_path = restic(tmp_path / "bin" / "restic", "restic 0.18.0")
    assert find_binary() == str(on_path)
    restic(tmp_path / "state/bin/restic", "restic 0.14.0")
    assert find_binary() == str(on_path)
    kept = restic(tmp_path / "state/bin/restic", "restic 0.17.3 compiled with go")
    assert find_binary() == str(kept)
