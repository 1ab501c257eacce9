import re
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from django.conf import settings

KEYS = ["id", "cves", "component", "severity", "justification", "mitigationPlan", "owner", "createdAt", "expiresAt", "status"]


def test_the_projects_own_exceptions_are_of_the_canonical_form_and_end_within_thirty_days() -> None:
    whole = yaml.safe_load((Path(settings.BASE_DIR) / ".security" / "poam.yaml").read_text())
    assert list(whole) == ["version", "exceptions"]
    assert whole["version"] == 1
    numbers = [one["id"] for one in whole["exceptions"]]
    assert len(set(numbers)) == len(numbers)
    for one in whole["exceptions"]:
        assert list(one) == KEYS
        assert all(re.fullmatch(r"CVE-\d{4}-\d{4,}", cve) for cve in one["cves"])
        assert one["severity"] in {"Critical", "High", "Medium", "Low"}
        assert one["status"] in {"draft", "requested", "approved", "rejected", "expired", "mitigated", "closed"}
        created, expires = (datetime.fromisoformat(one[key]) for key in ("createdAt", "expiresAt"))
        assert created.tzinfo
        assert timedelta(0) < expires - created <= timedelta(days=30)
