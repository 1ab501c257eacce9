"""The portal's URLs and the kit page, which production does not serve."""

from django.urls import URLPattern, URLResolver, path

from portal import urls
from portal.pages.kit import kit

urlpatterns: list[URLPattern | URLResolver] = [path("kit/", kit, name="kit"), *urls.urlpatterns]
