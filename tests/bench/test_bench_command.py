import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from portal.management.commands import bench


@pytest.fixture(autouse=True)
def _stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "BENCHMARKS", "tests.bench.stubs")


def run(*arguments: str) -> tuple[int | str | None, str, str]:
    """How it ended, what it wrote, and what it told meanwhile."""
    out, told = StringIO(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("bench", *arguments, stdout=out, stderr=told)
    return ended.value.code, out.getvalue(), told.getvalue()


def test_goals_that_are_met_end_with_0() -> None:
    assert run("met")[0] == 0


def test_one_goal_that_is_missed_ends_with_1() -> None:
    assert run("missed")[0] == 1


def test_json_has_name_figures_and_goals_and_nothing_else() -> None:
    _, out, _ = run("met", "--json", "--pairs", "12")
    assert json.loads(out) == {
        "name": "met",
        "figures": {"pairs": 12, "took_s": 1.235, "took_s_least": 1.0, "took_s_most": 1.5, "how": "as a stub"},
        "goals": {"took_s": {"limit": 2.0, "ok": True}},
    }


def test_each_goal_belongs_to_a_figure_and_is_judged_before_rounding() -> None:
    _, out, _ = run("missed", "--json")
    report = json.loads(out)
    assert set(report["goals"]) <= set(report["figures"])
    assert {name: goal["ok"] for name, goal in report["goals"].items()} == {"met_s": True, "missed_s": False}


def test_progress_is_told_beside_the_result() -> None:
    _, out, told = run("met", "--json")
    assert told == "measuring nothing\n"
    assert "measuring" not in out


def test_the_table_shows_spread_and_verdict_beside_each_figure() -> None:
    _, out, _ = run("met")
    line = next(line for line in out.splitlines() if "took_s" in line)
    assert line.split() == ["took_s", "1.235", "1.000", "…", "1.500", "✓", "at", "most", "2.000"]
    assert "took_s_least" not in out
    assert out.endswith("1 of 1 goals met\n")


def test_the_table_says_which_goal_is_missed() -> None:
    _, out, _ = run("missed")
    assert [line.split()[0] for line in out.splitlines() if "×" in line] == ["missed_s"]
    assert out.endswith("1 of 2 goals met\n")


@pytest.mark.parametrize("pairs", ["0", "-1", "1001", "ten", "1.5", "٣", ""])
def test_a_number_of_pairs_that_makes_no_sense_is_refused(pairs: str) -> None:
    with pytest.raises(CommandError, match="is not a number from 1 to 1000"):
        call_command("bench", "met", f"--pairs={pairs}")


@pytest.mark.parametrize("name", ["nothing", "test_bench_command", "kit", "../idle", "met.run", ""])
def test_a_benchmark_that_does_not_exist_is_refused_and_the_others_are_named(name: str) -> None:
    with pytest.raises(CommandError, match="Known: met, missed, refused") as refused:
        call_command("bench", name)
    assert refused.value.returncode == bench.NOT_MEASURED


def test_what_cannot_be_measured_is_said_in_words_and_ends_with_2() -> None:
    with pytest.raises(CommandError, match=r"Docker Compose 2\.20 or newer") as refused:
        call_command("bench", "refused")
    assert refused.value.returncode == bench.NOT_MEASURED


def test_without_the_source_tree_it_says_where_benchmarks_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "BENCHMARKS", "tests.bench_that_was_left_out")
    with pytest.raises(CommandError, match="come with the source tree"):
        call_command("bench", "met")


def test_the_benchmarks_are_found_by_their_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "BENCHMARKS", "tests.bench")
    assert bench.names() == ["backup", "health", "idle", "ingest", "lists", "rollback", "upgrade"]
