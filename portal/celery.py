"""The Celery application. Tasks are in `chatbot_service.tasks`; the database, not the broker, knows the jobs."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("known_good")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["chatbot_service"])
