"""`manage.py watch`: the health watcher of the hosts that this machine serves (KG_HOSTS)."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from chatbot_service import hosts
from chatbot_service.health.watch import watch_host
from chatbot_service.models import Host


class Command(BaseCommand):
    help = "Watches the health of all services on the hosts of KG_HOSTS, until it is stopped."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        hosts.make_own()
        watched = Host.objects.filter(name__in=settings.WORKER_HOSTS)
        threads = [threading.Thread(target=watch_host, args=(host, stop), daemon=True) for host in watched]
        for thread in threads:
            thread.start()
        stop.wait()
