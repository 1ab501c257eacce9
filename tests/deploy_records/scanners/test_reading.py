import gzip
import io
import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any, Self

import pytest

from deploy_records.errors import Refused
from deploy_records.scanners import opened_report, reading
from tests.deploy_records.scanners.reports import ALL_FILES
from tests.deploy_records.scanners.understand import refusal, understood

TRIVY = ALL_FILES["trivy"]


def in_gzip(data: bytes) -> bytes:
    """Without the time, which would be part of the tests' names, and another in each process that collects them."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize("name", ALL_FILES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le with its mark", "utf-16-be with its mark"])
def test_every_report_is_read_from_the_encodings_that_tools_and_windows_write(name: str, encoding: str) -> None:
    text = ALL_FILES[name].decode()
    coder = encoding.partition(" ")[0]
    packed = ("\ufeff" + text if "with" in encoding else text).encode(coder)
    assert understood(packed).findings == understood(ALL_FILES[name]).findings


@pytest.mark.parametrize("name", ALL_FILES)
def test_every_report_is_read_from_gzip(name: str) -> None:
    found, plain = understood(in_gzip(ALL_FILES[name])), understood(ALL_FILES[name])
    assert (found.findings, found.components) == (plain.findings, plain.components)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\xff\xfe", "is empty"),
        (in_gzip(b""), "is empty"),
        (b"PK\x03\x04 and more", "is a zip archive"),
        (b"BZh91AY", "is packed with bzip2"),
        (b"\xfd7zXZ\x00\x00", "is packed with xz"),
        (b"\x28\xb5\x2f\xfd\x00", "is packed with zstd"),
        (b"%PDF-1.7", "is a PDF"),
        (in_gzip(in_gzip(b"{}")), "packed with gzip twice"),
        (in_gzip(TRIVY)[:-20], "breaks off"),
        (in_gzip(TRIVY)[:40] + b"garbage in the middle" + in_gzip(TRIVY)[60:], "has damaged gzip data"),
        (b"\x1f\x8b\x08", "breaks off"),
        (b"\x1f\x8bno packed data", "has damaged gzip data"),
        ('{"a": 1}'.encode("utf-32"), "is written in UTF-32"),
        ('{"a": 1}'.encode("utf-16-le"), "looks like UTF-16 without a byte order mark"),
        ('{"a": 1}'.encode("utf-16-be"), "looks like UTF-16 without a byte order mark"),
        (b"\xff\xfe\x00\xd8\x00\x00", "begins like UTF-16 but is not"),
        (b"\xff\xfe{", "begins like UTF-16 but is not"),
        ('{"name": "Müller"}'.encode("latin-1"), "line 1, column 12: a byte is not UTF-8"),
        (b"\n\n  {}\xc3", "line 3, column 5: a byte is not UTF-8"),
        (b"\x00" * 100, "line 1, column 1: expected { or ["),
        (b"   \n ", "line 2, column 2: expected { or ["),
        (b"Sign in to continue", "line 1, column 1: expected { or ["),
    ],
)
def test_what_is_no_text_is_refused_in_words(data: bytes, what: str) -> None:
    assert what in refusal(data)


def test_a_place_is_told_in_characters_and_far_down_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 7)
    text = '{\n"ü": "' + "ä" * 30 + '",\n"öö": nothing}'
    assert "line 3, column 7: expected a value" in refusal(text)


def test_a_file_beyond_the_measure_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(300 * 1024**2)
    tracemalloc.start()
    with (
        path.open("rb") as large,
        pytest.raises(Refused, match="more than 150 MiB") as refused,
        opened_report(large, "large.json"),
    ):
        pytest.fail("It was opened.")
    assert refused.value.status == 413
    assert tracemalloc.get_traced_memory()[1] < 1024**2
    tracemalloc.stop()


def bomb(size: int) -> io.BytesIO:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as packing:
        for _ in range(size // 2**20):
            packing.write(b" " * 2**20)
    return packed


def test_a_gzip_bomb_is_refused_long_before_it_has_unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    real = tempfile.TemporaryFile

    def counting() -> Any:
        file = real()

        class Counted:
            def write(self, data: bytes) -> int:
                nonlocal written
                written += len(data)
                return file.write(data)

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

        return Counted()

    monkeypatch.setattr(tempfile, "TemporaryFile", counting)
    packed = bomb(40 * 2**20)
    with (
        pytest.raises(Refused, match="grows to more than 300 times its packed size") as refused,
        opened_report(packed, "bomb.gz"),
    ):
        pytest.fail("It was opened.")
    assert refused.value.status == 413
    assert written <= 20 * 2**20


def test_what_unfolds_beyond_the_measure_is_refused_whatever_its_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 1000)
    report = json.dumps({"x": list(range(1000))}).encode()
    with pytest.raises(Refused, match="unpacked") as refused:
        understood(in_gzip(report))
    assert refused.value.status == 413


def test_the_file_is_left_open_for_who_brought_it() -> None:
    file = io.BytesIO(in_gzip(TRIVY))
    with opened_report(file, "x"):
        pass
    assert not file.closed
