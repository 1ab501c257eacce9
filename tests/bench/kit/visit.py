"""People who sign in, look at the pages and ask for jobs, so that the web processes hold what they hold in use."""

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request

from chatbot_service.models import Host, Job, Service
from deploy_records.errors import Broken
from portal.demo import people

PAGES = ("/", "/services/", "/services/{service}/", "/jobs/", "/jobs/{job}/", "/ledger/", "/deployments/", "/audit/")
ROUNDS = 6
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def look_around(port: int, reference: str) -> None:
    """Each page and a job by the browser several times: there are several web processes."""
    service, job, host = (model.objects.latest("pk").pk for model in (Service, Job, Host))
    try:
        auditor, operator = _Browser(port, "auditor"), _Browser(port, "operator")
        for _ in range(ROUNDS):
            for page in PAGES:
                auditor.read(page.format(service=service, job=job))
            operator.send("/ledger/register/", {"reference": reference, "host": str(host)})
    except (urllib.error.URLError, OSError) as error:
        raise Broken(f"The portal's pages cannot be read: {error}") from error


class _Browser:
    def __init__(self, port: int, who: str) -> None:
        self._site = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        passwords = dict(line.split() for line in people.sign_ins_file().read_text().splitlines())
        if 'name="password"' in self.send("/sign-in/", {"username": who, "password": passwords[who]}):
            raise Broken(f"The benchmark's own {who} could not sign in.")

    def read(self, page: str, form: dict[str, str] | None = None) -> str:
        sent = urllib.parse.urlencode(form).encode() if form else None
        with self._opener.open(self._site + page, sent, timeout=30) as answer:
            return str(answer.read().decode())

    def send(self, page: str, form: dict[str, str]) -> str:
        token = _TOKEN.search(self.read(page))
        return self.read(page, form | {"csrfmiddlewaretoken": token[1] if token else ""})
