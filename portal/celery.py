"""The Celery application. Tasks are in `chatbot_service.tasks`; the database, not the broker, knows the jobs."""

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Celery warns of root because of pickled messages; here a message is JSON and holds a number.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("known_good")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["chatbot_service"])


def wake(job_id: int, queue: str) -> None:
    """Tells a worker of the queue to look at a job. By name, so that web processes never load what touches Docker."""
    app.send_task("chatbot_service.tasks.run_job", (job_id,), queue=queue)
