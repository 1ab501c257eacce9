"""What every page's frame shows: navigation, the trust foot, who is signed in."""

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    return {}
