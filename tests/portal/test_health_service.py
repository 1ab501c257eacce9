"""The Health tab of a service: the sentence, the chart, digests, changes of state, numbers."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.models import HealthTransition, Kind, Service
from tests import factories as make
from tests.portal.health_scene import EVIL, ago, lived, started_by_itself, touched
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    made = make.service(runs=make.entry("new", tag="v1.8.2"))
    make.ran_before(made, make.entry("old", tag="v1.8.1"))
    return made


def page_of(service: Service, of: User, span: str = "7d") -> str:
    return text_of(window(of).get(f"/services/{service.pk}/health/?span={span}"))


def source_of(service: Service, of: User, span: str = "7d") -> str:
    return window(of).get(f"/services/{service.pk}/health/?span={span}").content.decode()


def test_the_sentence_says_how_it_is_how_it_was_and_how_often_it_was_down(service: Service, viewer: User) -> None:
    new = make.sha("new")
    lived(service, changes=[
        (ago(hours=30), "down", new, "exit code 137, out of memory", ""), (ago(hours=29, minutes=29), "healthy", new, "", ""),
        (ago(hours=8), "down", new, "", ""), (ago(hours=8) - ago(minutes=8), "healthy", new, "", ""),
    ])  # fmt: skip
    page = page_of(service, viewer)
    assert "Healthy for 3 d 4 h; 99.45 % over 7 days. Down twice, 39 min in all, both times under " in page
    assert "Down 31 min" in page
    assert "Exit code 137, out of memory." in page


def test_what_was_never_down_says_how_long_its_probes_failed(service: Service, viewer: User) -> None:
    lived(service, changes=[
        (ago(hours=6), "unhealthy", make.sha("new"), "3 probes in a row failed", "no answer"),
        (ago(hours=5, minutes=42), "healthy", make.sha("new"), "", ""),
    ])  # fmt: skip
    page = page_of(service, viewer)
    assert "It was never seen down; its probes failed for 18 min." in page
    assert "Never, as far as it was watched." in page


def test_a_pause_made_by_a_job_is_counted_apart_and_is_no_fault(service: Service, viewer: User) -> None:
    at = timezone.now() - ago(hours=9)
    touched(Kind.RESTART, service, at)
    new = make.sha("new")
    lived(
        service,
        changes=[(ago(hours=9) - ago(seconds=2), "down", new, "", ""), (ago(hours=9) - ago(seconds=9), "healthy", new, "", "")],
    )
    page = page_of(service, viewer)
    assert "100 % over 7 days. It was never seen down." in page
    assert "Pauses made by jobs are counted apart: 1, 7 s." in page
    assert "Down a job made this pause" in page
    assert "Unhealthy" not in page


@pytest.mark.parametrize("span", ["24h", "7d", "30d", "90d", "1y"])
def test_a_gap_is_dotted_and_told_and_never_counts_as_healthy(service: Service, viewer: User, span: str) -> None:
    lived(
        service,
        days=3,
        changes=[(ago(hours=14), "unknown", "", "nobody looked", ""), (ago(hours=8), "healthy", make.sha("new"), "", "")],
    )
    source, page = source_of(service, viewer, span), page_of(service, viewer, span)
    chart = source.split('id="t-chart"')[1].split("</svg>")[0]
    assert 'class="kg-l-none"' in chart
    assert "nothing is known: that counts neither for it nor against it, and is drawn dotted." in page
    assert "100 % over" in page


def test_a_service_nobody_watched_claims_nothing(viewer: User) -> None:
    page = page_of(make.service(), viewer)
    assert "Not seen yet; nothing is known of it over 7 days." in page
    assert "Nobody watched it in this time." in page
    assert "100 %" not in page


def test_what_nobody_has_looked_at_lately_is_not_called_healthy(service: Service, viewer: User) -> None:
    lived(service)
    Service.objects.update(seen_at=timezone.now() - ago(hours=3))
    page = page_of(service, viewer)
    assert "Not watched for 3 d 4 h" in page
    assert "Of 2 d 3 h nothing is known" in page or "nothing is known" in page


def test_each_digest_says_how_well_it_ran_the_worst_first(service: Service, viewer: User) -> None:
    new, old = make.sha("new"), make.sha("old")
    lived(service, days=6, changes=[
        (ago(days=6) - ago(minutes=1), "healthy", old, "", ""),
        (ago(days=5), "unhealthy", old, "", ""), (ago(days=5) - ago(hours=1), "healthy", old, "", ""),
        (ago(days=3), "healthy", new, "", ""),
    ])  # fmt: skip
    rows = page_of(service, viewer).split("Ended by")[1].split("Uptime is the share")[0]
    assert rows.index(old[7:19]) < rows.index(new[7:19])
    assert re.search(rf"{old[7:19]}.*v1.8.1 Known good .*98.61 % 0 1 h 1 ", rows)
    assert re.search(rf"{new[7:19]}.*v1.8.2 Known good .*100 % 0 0 0 runs now", rows)


def test_all_that_was_done_is_on_the_same_axis_and_in_a_list(service: Service, viewer: User) -> None:
    now = timezone.now()
    jobs = [
        touched(kind, service, now - ago(hours=hours))
        for hours, kind in enumerate((Kind.UPGRADE, Kind.RESTART, Kind.RESTORE, Kind.CONFIGURE, Kind.BACKUP), 2)
    ]
    started_by_itself(service, now - ago(hours=40))
    lived(service)
    source, page = source_of(service, viewer), page_of(service, viewer)
    for mark in ("deploy", "restart", "restore", "configure", "backup", "start"):
        assert source.count(f"kg-l-done-{mark}") == 2, mark  # in the lane, and in its key
    for job in jobs:
        assert f'href="/jobs/{job.pk}/"' in source
    assert "Its container was started once by no job, after one kill for want of memory" in page


def test_many_backups_are_one_line(service: Service, viewer: User) -> None:
    for hours in range(2, 12):
        make.job(Kind.BACKUP, service, asked=timezone.now() - ago(hours=hours))
    lived(service)
    assert "Backed up 10 times, last 2 h ago" in page_of(service, viewer)


def test_what_a_probe_printed_is_shown_as_text_and_harmless(service: Service, viewer: User) -> None:
    lived(
        service,
        changes=[(ago(hours=6), "unhealthy", make.sha("new"), EVIL, EVIL), (ago(hours=5), "healthy", make.sha("new"), "", "")],
    )
    source = source_of(service, viewer)
    assert "<script>alert" not in source
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "\x1b" not in source


def test_changes_of_state_are_paged_without_losing_one(service: Service, viewer: User) -> None:
    now = lived(service)
    HealthTransition.objects.bulk_create(
        HealthTransition(service=service, at=now - ago(minutes=40 - place // 2), state="healthy" if place % 2 else "unhealthy",
                         digest=make.sha("new"), note=f"change {place:02}.")
        for place in range(40)
    )  # fmt: skip
    client, address, seen = window(viewer), f"/services/{service.pk}/health/?span=24h", set()
    for _page in range(6):
        source = client.get(address).content.decode()
        seen |= set(re.findall(r"change (\d\d)\.", source))
        older = re.search(r'href="(\?span=24h&amp;before=\d+)#transitions">Older', source)
        if older is None:
            break
        address = f"/services/{service.pk}/health/{older[1].replace('&amp;', '&')}"
    assert len(seen) == 40


@pytest.mark.parametrize("given", ["span=forever", "before=x", "before=99999999999999999999", "span=90d&before=-5", "before=%00"])
def test_an_address_that_makes_no_sense_shows_the_usual_span(given: str, service: Service, viewer: User) -> None:
    lived(service, days=1)
    answer = window(viewer).get(f"/services/{service.pk}/health/?{given}")
    assert answer.status_code == 200


def test_the_healthchecks_it_had_are_listed(service: Service, viewer: User) -> None:
    lived(service)
    page = page_of(service, viewer)
    assert "python -m chatbot.healthcheck" in page
    assert "every 5 min, 5 s at most, 3 failures in a row count; 20 s to start" in page


def test_numbers_stand_in_a_table_for_who_does_not_see_the_chart(service: Service, viewer: User) -> None:
    lived(service)
    page = page_of(service, viewer, "24h")
    assert "Show 25 rows" in page
    assert re.search(r"healthy 100 % 12 0 8\d ms 8\d ms 0 0", page)
    assert "How long probes took over 24 hours: half of them up to 8" in page


def test_the_number_of_queries_does_not_depend_on_how_much_there_is(service: Service, viewer: User) -> None:
    lived(service, days=2)
    client = window(viewer)
    few = max(queries(client, f"/services/{service.pk}/health/?span={span}") for span in ("24h", "90d"))
    for hours in range(2, 30):
        touched(Kind.UPGRADE, service, timezone.now() - ago(hours=hours))
        make.transition(
            service, "unhealthy" if hours % 2 else "healthy", timezone.now() - timedelta(hours=hours), make.sha("new")
        )
    assert max(queries(client, f"/services/{service.pk}/health/?span={span}") for span in ("24h", "90d")) <= few + 2
