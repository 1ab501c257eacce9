import hashlib
import re

import pytest

from deploy_records.errors import Invalid
from portal.templatetags import digest

HEXES = hashlib.sha256(b"build 1").hexdigest()
DIGEST = f"sha256:{HEXES}"


def _cells(drawn: str) -> set[tuple[int, int]]:
    return {(int(x), int(y)) for x, y in re.findall(r'<rect x="(\d)" y="(\d)"', drawn)}


def test_a_chip_shows_twelve_characters_in_fours_and_gives_the_whole_to_copy() -> None:
    drawn = digest.chip(DIGEST, tag="v1.8.2")
    assert f"<span>{HEXES[:4]}</span><span>{HEXES[4:8]}</span><span>{HEXES[8:12]}</span></code>" in drawn
    assert f'data-copy="{DIGEST}"' in drawn
    assert f'title="{DIGEST}"' in drawn
    assert "v1.8.2" in drawn


def test_the_seal_is_mirrored_and_made_from_the_last_fifteen_bits_alone() -> None:
    cells = _cells(digest.seal(DIGEST))
    assert {(4 - x, y) for x, y in cells} == cells
    same_end = f"sha256:{'0' * 60}{HEXES[-4:]}"
    assert _cells(digest.seal(same_end)) == cells


@pytest.mark.parametrize(("ending", "cells"), [("0000", 0), ("8000", 0), ("7fff", 25), ("ffff", 25), ("0001", 2)])
def test_each_of_the_fifteen_bits_is_one_cell_or_two(ending: str, cells: int) -> None:
    assert len(_cells(digest.seal(f"sha256:{'0' * 60}{ending}"))) == cells


def test_the_whole_digest_has_sixteen_groups_of_four() -> None:
    assert len(re.findall(r"<span>[0-9a-f]{4}</span>", digest.whole(DIGEST))) == 16


def test_in_running_text_four_characters_stand_for_it() -> None:
    assert digest.short(DIGEST) == f'<code title="{DIGEST}">{HEXES[:4]}…</code>'


@pytest.mark.parametrize("draw", [digest.chip, digest.hexes, digest.whole, digest.short])
@pytest.mark.parametrize("value", ["", "latest", DIGEST[:-1], DIGEST + "0", DIGEST.upper(), "sha256:<script>alert(1)</script>"])
def test_what_is_no_digest_is_never_drawn_as_one(draw: object, value: str) -> None:
    assert callable(draw)
    drawn = draw(value)
    assert "kg-seal" not in drawn
    assert "data-copy" not in drawn
    assert "<script" not in drawn
    assert "no digest" in drawn or "not a digest" in drawn


def test_a_seal_alone_refuses_what_is_no_digest() -> None:
    with pytest.raises(Invalid):
        digest.seal("latest")


def test_a_hostile_tag_is_shown_as_text() -> None:
    assert "&lt;b&gt;" in digest.chip(DIGEST, tag="<b>")
    assert 'href="&quot;&gt;' in digest.chip(DIGEST, href='">')
