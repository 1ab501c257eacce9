"""`manage.py demo`: sets up the demo and plays the main job in the terminal, once, while the portal runs."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from deploy_records.errors import Broken, Refused
from portal.demo import people, project, records
from portal.demo.play import Demo, play, usable_host


class Command(BaseCommand):
    help = __doc__

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            made = people.make()
            host = usable_host()
            if host.problem:
                self.stdout.write(f"{host.problem}\nWithout an engine nothing can be deployed; made records to look at instead.")
                records.make(made, host)
            else:
                play(Demo(made, host, project.port(), self.stdout.write))
        except (Refused, Broken) as why:
            self.stdout.write(f"The demo stopped: {why}")
            sys.exit(1)
        finally:
            self.stdout.write(f"\n{people.sign_ins()}")
