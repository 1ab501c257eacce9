"""Makes the things tests stand on, each with as few words as the test needs."""

import hashlib
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from chatbot_service.jobs.catalogue import KINDS
from chatbot_service.models import HealthTransition, Host, Job, JobState, JobStep, Kind, Service, StepState
from chatbot_service.progress import lay_out
from deploy_records import approving
from deploy_records.models import (
    Approval,
    Deployment,
    ImageDigest,
    LedgerState,
    Match,
    Outcome,
    PlatformImage,
    ScanMatch,
    ScanReport,
    StoredFile,
)
from deploy_records.scanners.report import ReportKind

REPOSITORY = "registry.test/acme/personal-chatbot"
_numbers = itertools.count(1)


def sha(word: object) -> str:
    """A digest of its own for each word."""
    return f"sha256:{hashlib.sha256(str(word).encode()).hexdigest()}"


def person(*roles: str, name: str = "", **fields: Any) -> User:
    username = name or f"person-{next(_numbers)}"
    made = User.objects.create_user(username, **{"email": f"{username}@example.test", **fields})
    made.groups.set([Group.objects.get(name=role) for role in roles])
    return made


def host(name: str = "prod-1", **fields: Any) -> Host:
    now = timezone.now()
    usual = {"seen_at": now, "engine_seen_at": now, "engine_version": "28.5.1", "platform": "linux/amd64"}
    made, _new = Host.objects.get_or_create(name=name, defaults=usual | fields)
    return made


def entry(word: object = "build 1", state: str = LedgerState.KNOWN_GOOD, *, scanned: bool = True, **fields: Any) -> ImageDigest:
    """A ledger entry with one platform and, unless it is not `scanned`, an image scan without findings. One that may run
    has an approval of somebody else than who registered it, which rests on that scan.
    """
    by = fields.pop("registered_by", None) or person("Operator")
    tag = fields.pop("tag", f"sha-{sha(word)[7:14]}")
    now = timezone.now()
    usual: dict[str, Any] = {"repository": REPOSITORY, "tags": [tag] if tag else [], "built_at": now - timedelta(days=3)}
    if state in {LedgerState.KNOWN_GOOD, LedgerState.DEPRECATED}:
        usual["known_good_at"] = now
    made = ImageDigest.objects.create(digest=sha(word), state=state, registered_by=by, **usual | fields)
    PlatformImage.objects.create(
        entry=made, platform="linux/amd64", manifest_digest=sha((word, "manifest")), config_digest=sha((word, "config")),
        size=112_000_000,
    )  # fmt: skip
    if scanned:
        clean_report(made)
    if made.may_run:
        approval(made)
    return made


def approval(of: ImageDigest, by: User | None = None, **fields: Any) -> Approval:
    """It rests on what is in the record now."""
    usual = {"evidence": approving.evidence_now(of)}
    return Approval.objects.create(entry=of, by=by or person("Release manager"), **usual | fields)


def scanned(one: ImageDigest) -> ImageDigest:
    """The same entry, with an image scan that has no findings."""
    clean_report(one)
    return one


def clean_report(of: ImageDigest, *kinds: ReportKind, days: float = 0, **fields: Any) -> ScanReport:
    """A report that counts for the digest and has no findings, made `days` ago; an image scan unless told otherwise."""
    made = timezone.now() - timedelta(days=days)
    named = [str(kind) for kind in kinds or (ReportKind.IMAGE,)]
    file = StoredFile.objects.create(sha256=sha((of.pk, "report", next(_numbers)))[7:], size=2, packed_size=10)
    usual: dict[str, Any] = {
        "name": "scan.json", "format": "trivy", "tool": "Trivy", "target": of.reference, "kind": named[0], "kinds": named,
        "scanned_at": made, "imported_at": made, "made_at": made,
    }  # fmt: skip
    report = ScanReport.objects.create(file=file, **usual | fields)
    ScanMatch.objects.create(report=report, entry=of, by=Match.PERSON, at=made)
    return report


def service(name: str = "personal_chatbot", *, runs: ImageDigest | None = None, **fields: Any) -> Service:
    """One that `runs` an entry healthily, as pinned and as deployed; without it nothing has been looked at yet."""
    where = fields.pop("host", None) or host()
    now = timezone.now()
    usual: dict[str, Any] = {
        "project_dir": f"/srv/{name}", "project_name": name, "compose_files": ["docker-compose.yml", "docker-compose.prod.yml"],
        "compose_service": name, "repository": runs.repository if runs else REPOSITORY,
        "data_paths": [f"/srv/{name}/uploads"], "added_by": None,
    }  # fmt: skip
    if runs is not None:
        usual |= {
            "seen_at": now, "seen_state": "running", "seen_health": "healthy", "seen_since": now - timedelta(days=3, hours=4),
            "seen_digest": runs.digest, "seen_image_id": sha("config"), "seen_pin": runs.reference, "previous_local": True,
        }  # fmt: skip
    usual |= fields
    usual["added_by"] = usual["added_by"] or person("Operator")
    made = Service.objects.create(host=where, name=name, **usual)
    if runs is not None:
        deployment(made, runs, started=now - timedelta(days=3, hours=4))
        transition(made, "healthy", now - timedelta(days=3, hours=4), runs.digest)
    return made


def deployment(
    of: Service, ran: ImageDigest, *, started: datetime, ended: datetime | None = None, healthy: bool = True, **fields: Any
) -> Deployment:
    usual = {"kind": "upgrade", "outcome": Outcome.REPLACED if ended else Outcome.RUNNING, "by": of.added_by}
    return Deployment.objects.create(
        host=of.host.name, service=of.name, entry=ran, started_at=started, ended_at=ended,
        healthy_at=started + timedelta(seconds=20) if healthy else None, **usual | fields,
    )  # fmt: skip


def ran_before(of: Service, ran: ImageDigest, *, days: int = 22) -> Deployment:
    """An ended healthy deployment before the one that is open."""
    current = Deployment.objects.filter(host=of.host.name, service=of.name, ended_at=None).first()
    ended = current.started_at if current else timezone.now()
    return deployment(of, ran, started=ended - timedelta(days=days), ended=ended)


def transition(of: Service, state: str, at: datetime, digest: str = "") -> HealthTransition:
    return HealthTransition.objects.create(service=of, at=at, state=state, digest=digest)


def job(
    kind: str = Kind.UPGRADE, of: Service | None = None, state: str = JobState.SUCCEEDED, *,
    by: User | None = None, asked: datetime | None = None, took: float = 60, step_seconds: float = 2,
    done: Sequence[str] | None = None, failed: str = "", why: str = "", asked_for: dict[str, Any] | None = None, **fields: Any,
) -> Job:  # fmt: skip
    """A job with its steps as the catalogue has them. `done`: the keys of the steps that were done, all if it
    succeeded; `failed`: the key of the one that failed, or that runs now if the job is active."""
    now = timezone.now()
    ended = state not in {JobState.QUEUED, JobState.RUNNING, JobState.UNDOING}
    created = asked or now - timedelta(seconds=took)
    usual: dict[str, Any] = {
        "created_at": created, "host": of.host if of else host(), "by": by or person("Operator"), "asked": asked_for or {},
    }  # fmt: skip
    if state != JobState.QUEUED:
        usual |= {"started_at": created, "worker": "worker-1/7/1", "fence": 1}
    if ended:
        usual |= {"ended_at": created + timedelta(seconds=took), "error": why}
    made = Job.objects.create(kind=kind, service=of, state=state, **usual | fields)
    lay_out(made, KINDS[kind].steps)
    keys = [step.key for step in KINDS[kind].steps]
    finished = list(done) if done is not None else (keys if state == JobState.SUCCEEDED else [])
    at = created
    for key in finished:
        step(made, key, StepState.DONE, at, at + timedelta(seconds=step_seconds))
        at += timedelta(seconds=step_seconds)
    if failed:
        now_runs = state == JobState.RUNNING
        step(made, failed, StepState.RUNNING if now_runs else StepState.FAILED, at, None if now_runs else at, error=why)
    if state == JobState.SUCCEEDED and "serving" in finished and "serving_at" not in fields:
        serving = made.steps.get(key="serving").ended_at
        Job.objects.filter(pk=made.pk).update(serving_at=serving)
    made.refresh_from_db()
    return made


def step(of: Job, key: str, state: str, started: datetime | None, ended: datetime | None, **fields: Any) -> None:
    JobStep.objects.filter(job=of, key=key, is_undo=False).update(state=state, started_at=started, ended_at=ended, **fields)


def undo_step(of: Job, key: str, name: str, at: datetime, *, state: str = StepState.DONE, note: str = "") -> JobStep:
    """Right behind the last step that began, as the runner writes it."""
    last = of.steps.exclude(state=StepState.WAITING).order_by("-position").first()
    return JobStep.objects.create(
        job=of, key=key, name=name, is_undo=True, position=(last.position if last else 0) + 1,
        touches=bool(last and last.touches), state=state, started_at=at, ended_at=at + timedelta(seconds=2), note=note,
    )  # fmt: skip
