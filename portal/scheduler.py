"""`python -m portal.scheduler FILE`: the process that sends what is due. FILE keeps what was sent when."""

import sys

from portal.celery import schedule

if __name__ == "__main__":
    schedule(sys.argv[1])
