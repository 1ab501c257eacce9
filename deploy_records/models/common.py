"""What the models of the record share."""

from django.conf import settings

DIGEST_LENGTH = 71
PERSON = settings.AUTH_USER_MODEL
