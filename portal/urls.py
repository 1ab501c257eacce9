"""Every URL on one screen."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, URLResolver, path

from portal.pages.appearance import appearance

urlpatterns: list[URLPattern | URLResolver] = [
    # Signing in
    path("sign-in/", LoginView.as_view(redirect_authenticated_user=True), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("appearance/", appearance, name="appearance"),
]
