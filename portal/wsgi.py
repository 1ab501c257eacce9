"""The web application for gunicorn."""

import gc
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
_portal = get_wsgi_application()
# What is loaded by now stays for good. Looked through again and again it would hold up every third long page, and the web
# processes, which are forked from this one, would share less of it.
gc.freeze()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A request may name any codec of Python's as its charset; some are none for text, others make half characters,
    and Django fails on them before a view could say so. What is not UTF-8 is not read as a form.
    """
    if not _is_utf8(environ.get("CONTENT_TYPE", "")):
        environ["CONTENT_TYPE"] = "application/octet-stream"
    return _portal(environ, start_response)


def _is_utf8(content_type: str) -> bool:
    try:
        _type, parameters = parse_header_parameters(content_type)
    except (ValueError, LookupError):
        return False
    return parameters.get("charset", "utf-8").lower() in {"utf-8", "utf8"}
