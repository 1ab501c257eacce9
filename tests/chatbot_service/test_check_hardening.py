"""`manage.py check_hardening`: the baseline for a pipeline, told by exit codes."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from chatbot_service import dispatch
from chatbot_service.models import HardeningCheck, Job, JobState, Service
from deploy_records.models import AuditEvent
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)  # jobs are published on commit
RESULTS = [{"rule": "limits", "name": "Limits", "verdict": "failed", "seen": "none", "wanted": "both set", "mend": "cpus: 1"}]


@pytest.fixture
def service() -> Service:
    factories.person("Operator", name="olga")
    return factories.service(runs=factories.entry())


def run(*words: str, command: str = "check_hardening") -> tuple[int, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command(command, *words, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue() + err.getvalue()
    return 0, out.getvalue() + err.getvalue()


def ends(monkeypatch: pytest.MonkeyPatch, *, passed: bool | None) -> None:
    def checked(number: int, _queue: str) -> None:
        job = Job.objects.get(pk=number)
        if passed is not None and job.service is not None:
            HardeningCheck.objects.create(
                service=job.service, job=job, passed=passed, results=[] if passed else RESULTS, due_on=timezone.localdate()
            )
        state = JobState.REFUSED if passed is None else JobState.SUCCEEDED
        Job.objects.filter(pk=number).update(state=state, error="It does not run." if passed is None else "")

    monkeypatch.setattr(dispatch, "_wake", [checked])


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1), (None, 2)])
@pytest.mark.usefixtures("service")
def test_the_exit_code_tells_the_verdict_and_json_is_one_document(
    passed: bool | None, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(monkeypatch, passed=passed)
    ended, said = run("personal_chatbot", "--by", "olga", "--json")
    assert ended == code
    assert json.loads(said)["passed"] is bool(passed)
    ended, said = run("personal_chatbot", "--by", "olga")
    assert ended == code
    assert {True: "The baseline is met", False: "cpus: 1", None: "It does not run."}[passed] in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nothing", "--by", "olga"), "There is no service"),
        (("personal_chatbot", "--by", "nobody"), "no active person"),
        (("personal_chatbot", "--by", "vera"), "takes the role"),
        (("\udcff", "--by", "olga"), "not text in UTF-8"),
    ],
)
@pytest.mark.usefixtures("service")
def test_a_refusal_is_exit_code_2_on_record_and_still_one_document(words: tuple[str, ...], says: str) -> None:
    factories.person("Viewer", name="vera")
    code, said = run(*words, "--json")
    assert code == 2
    assert says in json.loads(said)["refused"]
    assert AuditEvent.objects.filter(action="refused").count() == 1
    assert not Job.objects.exists()


@pytest.mark.parametrize("kind", ["probe", "reach", "resources", "harden"])
@pytest.mark.usefixtures("service")
def test_looks_are_jobs_for_a_shell_too(kind: str) -> None:
    code, said = run(kind, "personal_chatbot", "--by", "olga", command="job")
    assert code == 0
    assert str(Job.objects.get(kind=kind)) in said


@pytest.mark.usefixtures("service")
def test_where_no_worker_runs_it_says_so_instead_of_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatbot_service.management.commands.check_hardening.BEGINS_WITHIN", 0.3)
    code, said = run("personal_chatbot", "--by", "olga")
    assert code == 2
    assert "See that a worker runs" in said
