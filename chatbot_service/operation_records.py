"""`operation_ports.OperationRecords` on the database, and what people decide there: exceptions for capabilities, contracts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Max
from django.utils import timezone

from chatbot_service import contract_file
from chatbot_service.claims import Claim
from chatbot_service.environment_contract import Change, Contract
from chatbot_service.jobs.hardening import Excuse
from chatbot_service.jobs.hardening_check import MOST_EXCUSED_MONTHS, months_after
from chatbot_service.jobs.operation_ports import KeptVersion
from chatbot_service.models import CapabilityException, EnvironmentContract, EnvironmentVersion, HardeningCheck, Job, Service
from chatbot_service.proc_facts import KNOWN
from deploy_records import audit
from deploy_records.errors import Broken, Invalid, Refused

_MOST_REASON = 1000


@dataclass(frozen=True)
class JobOperation:
    """All writes check the fence first, in the same transaction: a worker that lost its job writes nothing."""

    job: Job
    claim: Claim

    @property
    def _service(self) -> Service:
        if self.job.service is None:
            raise Broken(f"{self.job} belongs to no service.")
        return self.job.service

    def today(self) -> date:
        return timezone.localdate()

    def excuses(self) -> tuple[Excuse, ...]:
        open_ones = CapabilityException.objects.filter(service=self._service, ended_at=None)
        return tuple(Excuse(one.capability, one.reason, one.review_on) for one in open_ones)

    def hardening_checked(self, results: Sequence[dict[str, Any]], *, passed: bool, due_on: date, digest: str) -> None:
        with self._ours():
            check, made = HardeningCheck.objects.update_or_create(
                job=self.job,
                defaults={
                    "service": self._service,
                    "passed": passed,
                    "digest": digest,
                    "results": list(results),
                    "due_on": due_on,
                },
            )
            failed = [result["rule"] for result in results if result["verdict"] not in {"ok", "excused"}]
            if made:
                self._record(
                    "hardening.passed" if passed else "hardening.failed", {"rules": [None, failed], "check": [None, check.pk]}
                )

    def contract(self) -> Contract:
        return contract_of(self._service)

    def version(self, number: int) -> KeptVersion | None:
        versions = EnvironmentVersion.objects.filter(service=self._service).order_by("-number")
        found = versions.filter(number=number).first() if number else versions.first()
        return KeptVersion(found.number, found.sealed) if found else None

    def keep_version(self, sealed: str, changes: Sequence[Change], *, found: bool, went_back_to: int | None = None) -> int:
        rows = EnvironmentVersion.objects.filter(service=self._service)
        with self._ours():
            again = rows.filter(job=self.job, found=found).first()
            if again is not None:
                return again.number
            number = (rows.aggregate(last=Max("number"))["last"] or 0) + 1
            EnvironmentVersion.objects.create(
                service=self._service, number=number, job=self.job, by=None if found else self.job.by,
                reason="" if found else self.job.reason, changes=[asdict(change) for change in changes], found=found,
                went_back_to=went_back_to, sealed=sealed,
            )  # fmt: skip
            told = {change.name: [change.before or None, change.after or None] for change in changes if not change.sensitive}
            hidden = {change.name: [None, change.did] for change in changes if change.sensitive}
            self._record("environment.found" if found else "environment.changed", {"version": [None, number], **told, **hidden})
        return number

    def _record(self, action: str, changes: dict[str, Any]) -> None:
        event = audit.Event(action, **audit.about(self._service), job=self.job.pk, reason=self.job.reason, changes=changes)
        audit.record(audit.WORKER, event)

    @contextmanager
    def _ours(self) -> Iterator[None]:
        with audit.changing():
            self.claim.check()
            yield


def contract_of(service: Service) -> Contract:
    kept = EnvironmentContract.objects.filter(service=service).first()
    return contract_file.of_data(kept.keys) if kept else contract_file.default()


def set_contract(service: Service, text: str, person: User, address: str = "") -> Contract:
    """From a contract file. An empty one: the default again."""
    contract = contract_file.parse(text) if text.strip() else None
    with audit.changing():
        rows = EnvironmentContract.objects.filter(service=service)
        if contract is None:
            rows.delete()
        else:
            EnvironmentContract.objects.update_or_create(
                service=service, defaults={"keys": contract.as_data(), "by": person, "at": timezone.now()}
            )
        names = [key.name for key in contract.keys] if contract else ["the default"]
        event = audit.Event("environment.contract", **audit.about(service), changes={"keys": [None, names]})
        audit.record(audit.Actor.of(person, address), event)
    return contract or contract_file.default()


def except_capability(  # noqa: PLR0917 - an exception has this many facts
    service: Service, capability: str, reason: str, review_on: date, person: User, address: str = ""
) -> CapabilityException:
    """Until `review_on`, at most six months away. Replaces an open one for the same capability."""
    name = capability.strip().upper()
    name = name if name.startswith("CAP_") else f"CAP_{name}"
    today = timezone.localdate()
    if name not in KNOWN:
        raise Invalid(f"{capability.strip()[:40]} is no capability of the kernel. It is written as CAP_NET_BIND_SERVICE.")
    if not reason.strip() or len(reason) > _MOST_REASON:
        raise Invalid(f"An exception takes a reason, up to {_MOST_REASON:,} characters.")
    latest = months_after(today, MOST_EXCUSED_MONTHS)
    if not today < review_on <= latest:
        raise Refused(f"The review date lies after today and at most six months away: up to {latest.isoformat()}.")
    with audit.changing():
        CapabilityException.objects.filter(service=service, capability=name, ended_at=None).update(
            ended_at=timezone.now(), ended_by=person
        )
        made = CapabilityException.objects.create(
            service=service, capability=name, reason=reason.strip(), review_on=review_on, by=person
        )
        changes = {"capability": [None, name], "review_on": [None, review_on.isoformat()]}
        event = audit.Event("capability.excepted", **audit.about(service), reason=reason.strip(), changes=changes)
        audit.record(audit.Actor.of(person, address), event)
    return made


def end_exception(exception: CapabilityException, person: User, address: str = "") -> None:
    """Two that end it in the same second: the second is told."""
    with audit.changing():
        open_one = CapabilityException.objects.filter(pk=exception.pk, ended_at=None)
        if not open_one.update(ended_at=timezone.now(), ended_by=person):
            raise Refused(f"The exception for {exception.capability} has ended already.")
        event = audit.Event(
            "capability.exception-ended", **audit.about(exception.service), changes={"capability": [exception.capability, None]}
        )
        audit.record(audit.Actor.of(person, address), event)
