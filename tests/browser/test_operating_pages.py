"""Log, triage, environment and hardening in a browser: usable by everybody, with data and without; looks end by themselves."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from chatbot_service import resource_history
from chatbot_service.jobs.look_ports import Usage
from chatbot_service.models import EnvironmentVersion, HardeningCheck, Job, JobState, Kind, Service
from tests import backup_factories as backups
from tests import factories as make
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways
from tests.portal.test_hardening_page import RESULTS
from tests.portal.test_looks import ENVIRONMENT, PROBE, REACH, RESOURCES, key

AT = "2026-11-23T10:00:{:02}.123456789Z"
STYLES = ("", "fg-red bold", "fg-green", "fg-yellow", "fg-blue", "fg-magenta", "fg-cyan faint", "bg-red fg-white", "underline",
          "bg-blue fg-bright-black", "bg-yellow", "bg-green italic", "bg-magenta fg-bright-white")  # fmt: skip
LOG: dict[str, Any] = {
    "lines": [
        [AT.format(n), "stdout" if n % 5 else "stderr", [[f"line {n} ", ""], ["x" * 20 * n, STYLES[n % len(STYLES)]]], 0]
        for n in range(30)
    ],
    "cursor": f"{AT.format(29)}/1", "ended": "bytes", "dropped": 120, "read_bytes": 512_000_000,
}  # fmt: skip


def look(service: Service, kind: str, result: Mapping[str, Any], **fields: Any) -> Job:
    return backups.job(kind, service, result=dict(result), **fields)


def a_full_house(service: Service) -> list[str]:
    log = look(service, Kind.LOG, LOG, asked={"tail": 500, "words": "line", "since": "2026-11-23T09:00:00+00:00"})
    failed = backups.job(Kind.LOG, service, JobState.REFUSED, error="The container is exited.", asked={"tail": 500})
    gone = look(service, Kind.LOG, {}, asked={"tail": 500})
    look(service, Kind.PROBE, PROBE)
    look(service, Kind.REACH, REACH)
    look(service, Kind.RESOURCES, RESOURCES)
    keys = [
        *ENVIRONMENT["keys"],
        key("UPLOADS_DIR", type="path", value="/app/" + "long" * 40),
        key("PORT", wrong="it takes a port"),
    ]
    look(service, Kind.ENVIRONMENT, {**ENVIRONMENT, "keys": keys, "not_applied": ["LOG_LEVEL"]})
    backups.job(Kind.PROBE, service, JobState.FAILED, error="The engine does not answer.")
    now = datetime.now(UTC)
    for n in range(40):
        at = now - timedelta(minutes=5 * (40 - n))
        resource_history.keep(service, Usage(at, n * 60.0, 2, (300 + 10 * n) << 20, 1 << 30, 7, 1, 2, 3, 4))
    mended = [
        {**RESULTS[1], "mend": "services:\n  app:\n    " + "cpus: 1 " * 20},
        RESULTS[0],
        {**RESULTS[0], "verdict": "unknown"},
    ]
    for days in (200, 100, 1):
        job = backups.job(Kind.HARDEN, service, hours=24 * days, result={"passed": False, "counts": {"failed": 1}})
        HardeningCheck.objects.create(
            service=service, job=job, at=timezone.now() - timedelta(days=days), passed=days == 100, results=mended,
            due_on=timezone.localdate() - timedelta(days=1), digest=service.seen_digest,
        )  # fmt: skip
    by = make.person("Security reviewer")
    for name, days in (("CAP_CHOWN", 5), ("CAP_KILL", 90), ("CAP_SETUID", 0)):
        service.capability_exceptions.create(
            capability=name, reason="It has to, " * 8, by=by, review_on=timezone.localdate() + timedelta(days=days)
        )
    changes = [
        {"name": "LOG_LEVEL", "did": "changed", "sensitive": False, "before": "INFO", "after": "DEBUG"},
        {"name": "OPENROUTER_API_KEY", "did": "changed", "sensitive": True, "before": "", "after": ""},
    ]
    for number in (1, 2, 3):
        job = backups.job(Kind.CONFIGURE, service, result={"version": number, "changed": ["LOG_LEVEL"]})
        EnvironmentVersion.objects.create(
            service=service, number=number, job=job, by=None if number == 1 else by, found=number == 1,
            reason="a reason " * 10, changes=changes,
        )  # fmt: skip
    here = f"/services/{service.pk}"
    return [
        f"{here}/logs/", f"{here}/logs/?look={log.pk}", f"{here}/logs/?look={failed.pk}", f"{here}/logs/?look={gone.pk}",
        f"{here}/triage/", f"{here}/environment/", f"{here}/environment/change/", f"{here}/environment/1/go-back/",
        f"{here}/environment/contract/", f"{here}/hardening/", f"{here}/settings/", f"{here}/", "/runbook/", f"/jobs/{log.pk}/",
        f"/jobs/{job.pk}/", f"/jobs/{HardeningCheck.objects.all()[0].job_id}/", "/jobs/?kind=log", "/",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator", "Administrator", "Security reviewer")
    found: dict[str, list[str]] = {}
    bare = make.service("bare", runs=make.entry("bare"), is_demo=True)
    for tab in ("logs", "triage", "environment", "environment/change", "hardening"):
        path = f"/services/{bare.pk}/{tab}/"
        found[f"empty {path}"] = axe(kept(open_page(path, width, scheme), f"empty-{tab}", width, scheme))
    for path in a_full_house(make.service(runs=make.entry("new", tag="sha-ab12cd3"))):
        page = kept(open_page(path, width, scheme), path, width, scheme)
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert [f"{path} {fault}" for path, faults in found.items() for fault in faults] == []
    assert complaints.found == []


def kept(page: Page, name: str, width: int, scheme: str) -> Page:
    """A picture of it, where a folder for pictures is named."""
    folder = os.environ.get("KG_TEST_PICTURES")
    if folder:
        words = "-".join(part for part in name.replace("?", "/").split("/") if part)
        page.screenshot(path=f"{folder}/{words or 'home'}-{scheme}-{width}.png", full_page=True)
    return page


def test_a_log_is_read_by_itself_followed_and_paused(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Operator")
    service = make.service(runs=make.entry())
    page = open_page(f"/services/{service.pk}/logs/")
    expect(page.get_by_text("is asked to read the log")).to_be_visible()
    ended(Job.objects.get(kind=Kind.LOG), LOG)
    expect(page.locator("#log-lines li")).to_have_count(30)
    page.get_by_role("button", name="Follow").click()
    page.wait_for_timeout(600)
    following = Job.objects.get(kind=Kind.FOLLOW)
    ended(following, {**LOG, "lines": LOG["lines"][:2], "cursor": f"{AT.format(31)}/1"})
    expect(page.locator("#log-lines li")).to_have_count(32)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    assert complaints.found == []


def test_looks_end_on_the_page_that_began_them(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Operator")
    service = make.service(runs=make.entry())
    page = open_page(f"/services/{service.pk}/triage/")
    page.get_by_role("button", name="Run all looks").click()
    expect(page.get_by_text("Waits for a worker")).to_have_count(5)
    ended(Job.objects.get(kind=Kind.PROBE), PROBE)
    expect(page.get_by_text("It fails, with exit 1")).to_be_visible()
    expect(page.get_by_text("Waits for a worker")).to_have_count(4)


def ended(job: Job, result: Mapping[str, Any]) -> None:
    Job.objects.filter(pk=job.pk).update(state=JobState.SUCCEEDED, ended_at=timezone.now(), result=dict(result))
