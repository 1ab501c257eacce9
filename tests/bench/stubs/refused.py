from deploy_records.errors import Refused
from tests.bench.kit.report import Report
from tests.bench.kit.stack import Say


def run(_pairs: int, _say: Say) -> Report:
    raise Refused("Docker Compose 2.20 or newer was not found on this host.")
