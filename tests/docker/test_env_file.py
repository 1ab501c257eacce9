"""What is written into an `.env` file, held against what the real Compose reads there."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatbot_service import env_file

NASTY = st.text(st.sampled_from("ab1 \\'\"$#{}=:\n\t\r`é!~%"), max_size=12)
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


def as_compose_reads(folder: Path, text: str) -> dict[str, str]:
    (folder / "docker-compose.yml").write_text("services:\n  app:\n    image: nowhere.invalid/app\n    env_file: [.env]\n")
    (folder / ".env").write_bytes(text.encode())
    argv = ["docker", "compose", "--project-directory", str(folder), "-p", "kg-env", "config", "--format", "json"]
    said = subprocess.run(argv, capture_output=True, check=False, cwd=folder)
    assert said.returncode == 0, (text, said.stderr)
    environment = json.loads(said.stdout)["services"]["app"].get("environment") or {}
    # What it prints is to be read by Compose once more.
    return {name: (value or "").replace("$$", "$") for name, value in environment.items()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NASTY | ANY, min_size=20, max_size=60))
def test_compose_reads_what_was_written_whatever_it_is(tmp_path: Path, given_values: list[str]) -> None:
    wanted = {f"KEY_{number}": value for number, value in enumerate(given_values)}
    text = "# keys\n"
    for style, name in zip(("old", "'old'", '"old"') * len(wanted), wanted, strict=False):
        text += f"{name}={style} # said why\n"
    written = env_file.changed(text, wanted)
    assert as_compose_reads(tmp_path, written) == wanted
    assert written.count(" # said why") >= len(wanted)


@pytest.mark.parametrize(
    "text",
    [
        "A=plain value # comment\nF=a#b\nJ=\n",
        "B='single $HOME \\n q'\nD='it\\'s'\n",
        'C="double \\"q\\" \\\\ \\n"\nO="\\t\\r\\a\\x"\n',
        "export H=1\nI: yaml\nQ = spaced\nP=  lead\n",
        "L='multi\nline'\nM=\"multi\nline2\"\n",
        "A=1\r\nB='x\r\ny'\r\n",
        "A=1\nA=2\n\n\n#end",
        "W=\"a\\$b\"\nX='a$b'\nN=a$$b\n",
        'E="a\'b"\nS="a\\`b`c"\nT=x\\ny\nU=back\\\\slash\n',
    ],
)
def test_a_file_is_read_as_compose_reads_it(tmp_path: Path, text: str) -> None:
    assert env_file.values(text) == as_compose_reads(tmp_path, text)
