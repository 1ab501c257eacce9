"""A person who signs in and looks at the pages, so that the web processes hold what they hold in use."""

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request

from deploy_records.errors import Broken
from portal.demo import people

PAGES = ("/", "/services/", "/services/{service}/", "/jobs/", "/jobs/{job}/", "/ledger/", "/deployments/", "/audit/")
ROUNDS = 6
WHO = "auditor"
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def look_around(port: int, service: int, job: int) -> None:
    """Each page several times: there are several web processes."""
    site = f"http://127.0.0.1:{port}"
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    try:
        _sign_in(browser, site)
        for _ in range(ROUNDS):
            for page in PAGES:
                _read(browser, site + page.format(service=service, job=job))
    except (urllib.error.URLError, OSError) as error:
        raise Broken(f"The portal's pages cannot be read: {error}") from error


def _sign_in(browser: urllib.request.OpenerDirector, site: str) -> None:
    address = f"{site}/sign-in/"
    token = _TOKEN.search(_read(browser, address))
    password = dict(line.split() for line in people.sign_ins_file().read_text().splitlines())[WHO]
    form = {"username": WHO, "password": password, "csrfmiddlewaretoken": token[1] if token else ""}
    said = _read(browser, address, urllib.parse.urlencode(form).encode())
    if 'name="password"' in said:
        raise Broken("The benchmark's own person could not sign in.")


def _read(browser: urllib.request.OpenerDirector, address: str, form: bytes | None = None) -> str:
    with browser.open(address, form, timeout=30) as answer:
        return str(answer.read().decode())
