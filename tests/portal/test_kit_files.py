"""What is committed for pages: hashes hold, everything named exists, nothing needs to run inline."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from portal.templatetags import glossary, icons

PORTAL = Path(icons.__file__).resolve().parent.parent
VENDOR = PORTAL / "static" / "vendor"
TEMPLATES = sorted((PORTAL / "templates").rglob("*.html"))
SOURCES = {path.relative_to(PORTAL).as_posix(): path.read_text() for path in TEMPLATES}


def _found(pattern: str) -> Iterator[tuple[str, str]]:
    for name, text in SOURCES.items():
        for match in re.finditer(pattern, text):
            yield name, match[1]


def test_every_foreign_file_is_as_it_was_taken_over() -> None:
    rows = (row.split("  ") for row in (VENDOR / "SHA256SUMS").read_text().splitlines())
    listed = {name: digest for digest, name in rows}
    files = {f"./{path.relative_to(VENDOR)}": path for path in VENDOR.rglob("*") if path.is_file()}
    files = {name: path for name, path in files.items() if path.name not in {"SHA256SUMS", "README.md"}}
    assert set(files) == set(listed)
    assert [n for n, path in files.items() if hashlib.sha256(path.read_bytes()).hexdigest() != listed[n]] == []


def test_every_style_and_script_can_be_stored_under_its_hash(settings: Any, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    manifest = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": manifest}
    call_command("collectstatic", interactive=False, verbosity=0)
    assert (tmp_path / "staticfiles.json").exists()


def test_no_template_holds_a_style_or_script_that_the_policy_would_stop() -> None:
    inline = r"(<[^<>%]*\s(?:style|on[a-z]+)=|<style|<script(?![^>]*\ssrc=)[^>]*>|javascript:|hx-on|hx-vals=.js:)"
    assert list(_found(inline)) == []


def test_every_icon_that_a_template_names_is_here() -> None:
    named = set(_found(r'{% icon "([^"]+)"'))
    missing = [(f, n) for f, n in named if not (icons.FOLDER / (n if "/" in n else f"outline/{n}")).with_suffix(".svg").exists()]
    assert missing == []


def test_every_term_that_a_template_explains_is_in_the_glossary() -> None:
    assert [(f, word) for f, word in _found(r'{% term "([^"]+)"') if word.casefold() not in glossary.meanings()] == []


def test_every_template_says_times_through_the_kit() -> None:
    assert list(_found(r"(\|time:|\|timesince|\|timeuntil)")) == []


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_no_message_of_a_template_shouts_pleads_or_praises_itself(name: str) -> None:
    words = re.sub(r"<[^>]*>|{[%{#].*?[%}#]}", " ", SOURCES[name])
    assert re.findall(r"\b(please|successfully|oops)\b|\w!", words, re.IGNORECASE) == []


def test_the_glossary_explains_each_word_in_one_sentence() -> None:
    assert len(glossary.meanings()) > 30
    assert [word for word, meaning in glossary.meanings().items() if not meaning.endswith(".")] == []
