"""What a process does not need it does not load: each library below costs megabytes in every process that has it."""

import subprocess
import sys

import pytest
from django.conf import settings

LOADED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
READY = "import django; django.setup()"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {LOADED}"], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "portal.settings")
    monkeypatch.setenv("KG_STATE_DIR", str(settings.STATE_DIR))


def test_a_web_process_that_asks_for_no_job_has_neither_docker_nor_celery_nor_cryptography() -> None:
    loaded = loaded_by(f"{READY}; import portal.wsgi, portal.urls")
    assert "portal" in loaded
    assert not loaded & {"docker", "requests", "celery", "kombu", "redis", "cryptography"}


def test_the_watcher_has_docker_but_neither_celery_nor_cryptography() -> None:
    loaded = loaded_by(f"{READY}; import chatbot_service.management.commands.watch")
    assert "docker" in loaded
    assert not loaded & {"celery", "kombu", "redis", "cryptography"}


def test_the_scheduler_knows_tasks_by_name_only() -> None:
    nothing_due = "from celery.apps.beat import Beat; Beat.start_scheduler = lambda self: None"
    loaded = loaded_by(f"{nothing_due}; from portal.celery import schedule; schedule('unused')")
    assert "celery" in loaded
    assert not loaded & {"chatbot_service", "deploy_records", "docker", "cryptography", "prompt_toolkit"}


def test_the_supervisor_loads_nothing_but_the_standard_library_and_no_tls() -> None:
    loaded = loaded_by("import runpy; runpy.run_path('portal/supervisor.py', run_name='supervisor')")
    assert not loaded & {"portal", "django", "ssl", "http"}
