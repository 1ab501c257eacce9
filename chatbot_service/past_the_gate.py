"""A rollback goes past findings that the gate warns of: what is written into the record for those who look at it later."""

from collections.abc import Sequence

from chatbot_service.models import Job
from deploy_records import poam_drafting
from deploy_records.errors import Broken
from deploy_records.models import ImageDigest, PoamItem
from deploy_records.poam_drafting import Asked
from deploy_records.rules.case import Decision


def draft(job: Job, entry: ImageDigest, decision: Decision, address: str = "") -> tuple[PoamItem, ...]:
    if job.service is None or job.by is None:
        raise Broken(f"{job} belongs to no service or to nobody.")
    asked = Asked(job.pk, job.by, job.reason, job.service.name, job.service.host.name, address)
    return poam_drafting.by_rollback(entry, decision, asked)


def said(waiting: Sequence[PoamItem]) -> str:
    """For a step's note."""
    if not waiting:
        return ""
    names = " and ".join(item.name for item in waiting)
    return f"{names} {'waits' if len(waiting) == 1 else 'wait'} for a security reviewer to look at what blocks."
