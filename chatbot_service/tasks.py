"""Celery's entrance: ids in, one call each. A message is a wake-up only; the database knows the jobs."""

from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from chatbot_service import (
    backup_clearing,
    backup_due,
    backup_places,
    dispatch,
    hosts,
    look_keeping,
    resource_measuring,
    runner,
)
from chatbot_service.models import Host
from chatbot_service.signals import looking, sending
from chatbot_service.signals import records as signal_records
from deploy_records import poam_warnings, reviews, scan_imports


@shared_task
def run_job(job_id: int) -> None:
    runner.run_job(job_id)


@shared_task
def read_scan(import_id: int) -> None:
    scan_imports.read(import_id)


@shared_task(expires=30)
def check_host(name: str) -> None:
    hosts.check(name)
    backup_clearing.clear(name)


@shared_task(expires=300)
def warn_of_exceptions() -> None:
    """Every ten minutes: whoever answers for an exception that ends is told, once for each warning."""
    poam_warnings.warn()


@shared_task(expires=30)
def sweep_hosts() -> None:
    """Every 15 s: what was lost on the way is published again, what a dead worker left is recovered."""
    dispatch.publish_waiting()
    dispatch.wake_for_lapsed()
    scan_imports.publish_waiting()
    for host in Host.objects.all():
        check_host.apply_async((host.name,), queue=host.queue)


@shared_task(expires=300)
def review_approvals() -> None:
    """Every few minutes: exceptions end by the clock, and approvals that rest on them have to be looked at again."""
    reviews.look()


@shared_task(expires=60)
def start_due_backups() -> None:
    """Every minute: what backup plans ask for and is due."""
    backup_due.start_due()


@shared_task(expires=25)
def look_for_signals() -> None:
    """Every half minute: what is known of all services and exceptions is held against the rules."""
    signal_records.look()
    sending.forget_old()
    send_deliveries.apply_async()


@shared_task(expires=50)
def look_at_hosts() -> None:
    """Every minute: what the rules need and only a worker of the host can see."""
    for host in Host.objects.all():
        look_at_host.apply_async((host.name,), queue=host.queue)


@shared_task(expires=50)
def look_at_host(name: str) -> None:
    looking.look_at_host(name)


@shared_task(expires=15)
def send_deliveries() -> None:
    """Every 15 s, and right after a look: what people are to be told, and what could not be told before."""
    sending.send_due()


@shared_task(expires=240)
def measure_resources(name: str) -> None:
    resource_measuring.measure(name)


@shared_task(expires=240)
def measure_hosts() -> None:
    """Every five minutes: a sample of what each service uses; and what looks saw is forgotten in time."""
    look_keeping.clear()
    for host in Host.objects.all():
        measure_resources.apply_async((host.name,), queue=host.queue)


@worker_ready.connect
def first_sweep(**_: Any) -> None:
    """A worker that comes back does not wait for the scheduler."""
    hosts.make_own()
    backup_places.make_default()
    sweep_hosts.apply_async()
