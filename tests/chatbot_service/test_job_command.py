"""`manage.py job`: the same jobs by the same rules, told by exit codes."""

from io import StringIO

import pytest
from django.core.management import call_command

from chatbot_service import dispatch
from chatbot_service.models import Job, JobState, Service
from deploy_records.models import AuditEvent, LedgerState
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)  # jobs are published on commit


@pytest.fixture
def service() -> Service:
    factories.person("Operator", name="olga")
    return factories.service(runs=factories.entry("old"))


def run(*words: str) -> tuple[int, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("job", *words, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue() + err.getvalue()
    return 0, out.getvalue() + err.getvalue()


@pytest.mark.parametrize(
    ("state", "code"), [(JobState.SUCCEEDED, 0), (JobState.FAILED, 1), (JobState.REFUSED, 2), (JobState.STUCK, 3)]
)
@pytest.mark.usefixtures("service")
def test_the_exit_code_tells_how_the_job_ended(state: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_at_once(number: int, _queue: str) -> None:
        Job.objects.filter(pk=number).update(state=state, error="the cause")

    monkeypatch.setattr(dispatch, "_wake", [ends_at_once])
    new = factories.entry("new", LedgerState.APPROVED)
    ended, said = run("upgrade", "personal_chatbot", new.digest, "--by", "olga", "--wait")
    assert ended == code
    assert "the cause" in said


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("upgrade", "personal_chatbot", "v1", "--by", "olga"), "pin by digest"),
        (("upgrade", "nothing", "v1", "--by", "olga"), "There is no service"),
        (("restart", "personal_chatbot", "--by", "nobody"), "no active person"),
        (("restart", "personal_chatbot@elsewhere", "--by", "olga"), "There is no service"),
        (("rollback", "personal_chatbot", "--by", "olga"), "nothing to roll back to"),
    ],
)
@pytest.mark.usefixtures("service")
def test_a_refusal_is_exit_code_2_in_words_with_an_event_and_no_job(words: tuple[str, ...], answer: str) -> None:
    code, said = run(*words)
    assert code == 2
    assert answer in said
    assert not Job.objects.exists()
    assert AuditEvent.objects.filter(action="refused").count() == 1


def test_a_name_that_two_hosts_have_must_say_which(service: Service) -> None:
    factories.service(service.name, host=factories.host("prod-2"), runs=factories.entry("there"))
    code, said = run("restart", service.name, "--by", "olga")
    assert code == 2
    assert "@HOST" in said
    assert run("restart", f"{service.name}@prod-2", "--by", "olga")[0] == 0


@pytest.mark.parametrize("words", [
    ("upgrade", "\udcff", "sha256:1", "--by", "olga"),
    ("upgrade", "personal_chatbot", "\udcff", "--by", "olga"),
    ("restart", "personal_chatbot", "--by", "\udcff"),
    ("restart", "personal_chatbot", "--by", "olga", "--reason", "\udcff"),
])  # fmt: skip
@pytest.mark.usefixtures("service")
def test_bytes_that_are_no_text_are_refused(words: tuple[str, ...]) -> None:
    code, said = run(*words)
    assert code == 2
    assert "is not text in UTF-8" in said
    assert not Job.objects.exists()
    assert AuditEvent.objects.filter(action="refused").count() == 1
