"""`ports.Records` on the database: what a job asks of the record and writes into it, in the name of who started it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service import observe, past_the_gate
from chatbot_service.asking import question
from chatbot_service.claims import Claim
from chatbot_service.jobs.ports import ContainerFacts, Entry, Login, Verdict
from chatbot_service.jobs.step import Fenced
from chatbot_service.models import Job, Kind, RegistryLogin, Service
from chatbot_service.secrets import unseal
from deploy_records import audit, deployments, ledger, lookup, verdict
from deploy_records.errors import Broken
from deploy_records.ledger import Resolved
from deploy_records.models import ImageDigest
from deploy_records.rules.case import Decision
from deploy_records.rules.digest import registry_of

log = logging.getLogger(__name__)

Resolve = Callable[[str, Login | None], Resolved]


def entry_facts(entry: ImageDigest) -> Entry:
    platforms = list(entry.platforms.all())
    ids = {entry.digest} | {p.manifest_digest for p in platforms} | {p.config_digest for p in platforms}
    return Entry(
        repository=entry.repository, digest=entry.digest, state=entry.state, tag=entry.pin_tag,
        image_ids=frozenset(ids), platforms=tuple(p.platform for p in platforms),
    )  # fmt: skip


@dataclass(frozen=True)
class JobRecords:
    """All writes check the fence first, in the same transaction: a worker that lost its job writes nothing."""

    job: Job
    claim: Claim
    ask_registry: Resolve

    @property
    def _service(self) -> Service:
        if self.job.service is None:
            raise Broken(f"{self.job} belongs to no service.")
        return self.job.service

    @property
    def _person(self) -> User:
        if self.job.by is None:
            raise Broken(f"{self.job} was asked for by the schedule, which decides nothing about digests.")
        return self.job.by

    @property
    def _place(self) -> tuple[str, str]:
        return self._service.host.name, self._service.name

    def _known(self, digest: str) -> ImageDigest:
        return lookup.get(self._service.repository, digest)

    def entry(self, digest: str) -> Entry | None:
        found = lookup.find(self._service.repository, digest)
        return entry_facts(found) if found else None

    def entry_of_image(self, image_id: str, repo_digests: Sequence[str]) -> Entry | None:
        prefer = self.job.target_digest or self._service.seen_digest
        found = lookup.find_by_image(self._service.repository, image_id, repo_digests, prefer=prefer)
        return entry_facts(found) if found else None

    def register(self, reference: str) -> Entry:
        resolved = self.ask_registry(reference, self.login(reference))
        with self._ours():
            if self.job.kind == Kind.ADOPT:
                entry = ledger.register_found(resolved, self._person, job=self.job.pk)
            else:
                entry = ledger.register(resolved, self._person, job=self.job.pk)
        return entry_facts(entry)

    def _ask(self, entry: ImageDigest) -> Decision:
        (decision,) = verdict.ask_each([question(self._service, entry)], rolling_back=self.job.kind == Kind.ROLLBACK)
        return decision

    def gate(self, digest: str) -> Verdict:
        decision = self._ask(self._known(digest))
        return Verdict(decision.allowed, decision.sentence, decision.as_data())

    def draft_for_review(self, digest: str) -> str:
        try:
            entry = self._known(digest)
            decision = self._ask(entry)
            with self._ours():
                return past_the_gate.said(past_the_gate.draft(self.job, entry, decision))
        except Fenced:
            raise
        except Exception:
            log.exception("%s: no exception could be drafted for what it goes past", self.job)
            return "What blocks could not be noted for review; the log says why."

    def deployed(self, digest: str, gate: dict[str, Any]) -> None:
        kind = "adopted" if self.job.kind == Kind.ADOPT else self.job.kind
        with self._ours():
            deployments.begin(
                *self._place, self._known(digest), kind, by=self.job.by, job=self.job.pk, reason=self.job.reason, gate=gate
            )

    def undeployed(self, digest: str) -> None:
        back_to = lookup.find(self._service.repository, digest) if digest else None
        with self._ours():
            deployments.undo(*self._place, job=self.job.pk, back_to=back_to)

    def healthy(self, digest: str) -> None:
        with self._ours():
            deployments.healthy(*self._place, self._known(digest), job=self.job.pk)

    def failed(self, digest: str, why: str) -> None:
        with self._ours():
            ledger.note_failure(self._known(digest), why, job=self.job.pk)

    def deprecate(self, digest: str, note: str) -> None:
        with self._ours():
            ledger.deprecate_by_rollback(self._known(digest), self._person, note, job=self.job.pk)

    def login(self, repository: str) -> Login | None:
        kept = RegistryLogin.objects.filter(registry=registry_of(repository.partition("@")[0])).first()
        if kept is None:
            return None
        return Login(kept.username, unseal(kept.sealed_password), kept.ca_certificate)

    def serving(self) -> None:
        with self._ours():
            self.claim.rows().update(serving_at=timezone.now())
            observe.served(self._service, self.job.target_digest or self._service.seen_digest)

    def observed(self, container: ContainerFacts | None, entry: Entry | None, pin: str) -> None:
        seen = observe.Sight.of(container, entry.digest if entry else "", pin)
        with self._ours():
            observe.note(self._service.pk, seen, by_job=True)

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """A claim takes the end of the audit trail as well: whoever holds it is not overtaken before the commit."""
        with audit.changing():
            self.claim.check()
            yield
