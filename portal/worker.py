"""`python -m portal.worker CONCURRENCY`: the process that runs jobs."""

import sys

from portal.celery import work

if __name__ == "__main__":
    sys.exit(work(int(sys.argv[1])))
