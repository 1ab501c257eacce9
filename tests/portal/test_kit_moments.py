from datetime import UTC, datetime, timedelta

import pytest

from portal.templatetags import moments

NOW = datetime(2026, 11, 23, 14, 10, 32, tzinfo=UTC)
NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 s"),
        (0.02, "under 0.1 s"),
        (0.3, "0.3 s"),
        (3.1, "3.1 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (24, "24 s"),
        (59.6, "1 min"),
        (96, "1 min 36 s"),
        (120, "2 min"),
        (3 * 3600 + 5 * 60 + 59, "3 h 5 min"),
        (timedelta(days=3, hours=4, minutes=59), "3 d 4 h"),
        (timedelta(days=22, hours=4), "22 d"),
        (None, ""),
    ],
)
def test_a_duration_has_two_units_at_most_and_tenths_only_below_ten_seconds(value: float | None, words: str) -> None:
    assert moments.duration(value).replace(NBSP, " ") == words


def test_a_number_is_never_torn_from_its_unit() -> None:
    assert moments.duration(96) == f"1{NBSP}min 36{NBSP}s"
    assert moments.unit(112, "MB") == f"112{NBSP}MB"


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=-3), "just now"),
        (timedelta(seconds=36), "36 s ago"),
        (timedelta(minutes=4, seconds=50), "4 min ago"),
        (timedelta(hours=2, minutes=59), "2 h ago"),
        (timedelta(days=3, hours=23), "3 d ago"),
        (timedelta(days=-4, hours=-1), "in 4 d"),
        (timedelta(days=91), "24 Aug 2026"),
    ],
)
def test_a_relative_time_names_its_largest_unit_and_an_old_one_its_date(before: timedelta, words: str) -> None:
    assert moments.relative(NOW - before, NOW).replace(NBSP, " ") == words


def test_a_relative_time_carries_the_exact_utc() -> None:
    drawn = moments.ago(datetime(2026, 11, 20, 11, 2, 31, tzinfo=UTC))
    assert 'datetime="2026-11-20T11:02:31Z"' in drawn
    assert 'title="2026-11-20 11:02:31 UTC"' in drawn


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("full", "Fri 20 Nov 2020, 10:02:31 UTC"),
        ("when", "Fri 20 Nov 2020, 10:02"),
        ("day", "Fri 20 Nov 2020"),
        ("time", "10:02:31"),
        ("minute", "10:02"),
    ],
)
def test_an_exact_time_is_in_utc_and_names_the_year_when_it_is_another(form: str, words: str) -> None:
    assert f">{words}</time>" in moments.exact(datetime(2020, 11, 20, 10, 2, 31, tzinfo=UTC), form)


def test_what_has_not_happened_says_so() -> None:
    assert "not yet" in moments.ago(None)
    assert "not yet" in moments.exact(None)
    assert "not yet" in moments.age(None)


@pytest.mark.parametrize(
    ("octets", "words"),
    [(0, "0 B"), (999, "999 B"), (212_345, "212 kB"), (999_999, "1 MB"), (1_234_567_890, "1.2 GB"), (10**12, "1000 GB")],
)
def test_a_size_is_in_the_decimal_units_of_registries(octets: int, words: str) -> None:
    assert moments.size(octets).replace(NBSP, " ") == words
