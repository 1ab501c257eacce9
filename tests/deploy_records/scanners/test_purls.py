import pytest

from deploy_records.scanners import purls


@pytest.mark.parametrize(
    ("kind", "name", "purl"),
    [
        ("debian", "curl", "pkg:deb/debian/curl@1.0"),
        ("alpine", "musl", "pkg:apk/alpine/musl@1.0"),
        ("redhat", "bash", "pkg:rpm/redhat/bash@1.0"),
        ("suse linux enterprise server", "bash", "pkg:rpm/suse/bash@1.0"),
        ("pip", "Py_Thing", "pkg:pypi/py-thing@1.0"),
        ("npm", "@scope/name", "pkg:npm/%40scope/name@1.0"),
        ("jar", "org.group:artifact", "pkg:maven/org.group/artifact@1.0"),
        ("gomod", "github.com/gin-gonic/gin", "pkg:golang/github.com/gin-gonic/gin@1.0"),
        ("dockerfile", "x", ""),
        ("", "x", ""),
        ("debian", "", ""),
        ("npm", "/", ""),
    ],
)
def test_a_package_url_is_made_from_a_type_that_we_know(kind: str, name: str, purl: str) -> None:
    assert purls.made(kind, name, "1.0") == purl
