"""The portal's settings, with state of its own for the run and without what only costs time."""

import os
import tempfile

# Before portal.settings is read: it makes the folder and the keys in it. Child processes and xdist workers inherit it.
os.environ.setdefault("KG_TEST_STATE", tempfile.mkdtemp(prefix="kg-test-"))
os.environ["KG_STATE_DIR"] = os.environ["KG_TEST_STATE"]
for _name in ("KG_HTTPS", "KG_DEBUG", "KG_RUN", "KG_PORT", "REDIS_URL"):
    os.environ.pop(_name, None)

from portal.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT.mkdir(exist_ok=True)  # noqa: F405 - whitenoise warns of a folder that is missing
# The test runner keeps mail to itself; so that the processes which a test starts do not print theirs.
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
