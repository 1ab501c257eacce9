"""The Celery application. Tasks are in `chatbot_service.tasks`; the database, not the broker, knows the jobs."""

import logging.config
import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Celery warns of root because of pickled messages; here a message is JSON and holds a number.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("known_good")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["chatbot_service"])


def wake(job_id: int, queue: str) -> None:
    """Tells a worker of the queue to look at a job. By name, so that web processes never load what touches Docker."""
    app.send_task("chatbot_service.tasks.run_job", (job_id,), queue=queue)


def wake_reader(import_id: int) -> None:
    """Tells a worker, any of them, to read a scan report."""
    app.send_task("chatbot_service.tasks.read_scan", (import_id,))


def work(concurrency: int) -> int:
    """Runs jobs until it is told to stop; the exit code.

    Not by Celery's command line, which brings 10 MB of shell completion and prompts into the process.
    """
    worker = app.Worker(
        pool_cls="threads", concurrency=concurrency, loglevel="WARNING", quiet=True,
        without_gossip=True, without_mingle=True, without_heartbeat=True,
    )  # fmt: skip
    worker.start()
    return int(worker.exitcode or 0)


def schedule(file: str) -> None:
    """Sends what is due until it is told to stop. Knows tasks by name only, so without models or anything of Docker."""
    logging.config.dictConfig(settings.LOGGING)
    light = Celery("known_good_scheduler", fixups=())
    light.config_from_object("django.conf:settings", namespace="CELERY")
    light.Beat(schedule=file, pidfile=None, loglevel="WARNING", quiet=True).run()
