"""Settings by topic. Every variable is read by a typed reader in `portal.env`."""

from pathlib import Path

from csp.constants import NONE, SELF

from portal import env
from portal.kept_secret import kept_secret

BASE_DIR = Path(__file__).resolve().parent.parent

# State: everything the portal writes outside its database
STATE_DIR = env.path("KG_STATE_DIR", BASE_DIR / "var")
STATE_DIR.mkdir(parents=True, exist_ok=True)

# Web
DEBUG = env.flag("KG_DEBUG", default=False)
PORT = env.port("KG_PORT", 8080)
BIND = env.text("KG_BIND", "127.0.0.1")
ALLOWED_HOSTS = env.words("KG_ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("KG_TRUSTED_ORIGINS", [])
SECRET_KEY = env.text("KG_SECRET_KEY") or kept_secret(STATE_DIR / "secret-key")
SECRETS_KEY = env.fernet_keys("KG_SECRETS_KEY") or kept_secret(STATE_DIR / "secrets-key", fernet=True)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "deploy_records",
    "chatbot_service",
    "portal",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "portal.bodies.BoundedBodies",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.access.RefusalMiddleware",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "portal" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.shell.shell",
            ],
        },
    }
]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# People
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "sign-in"

# Uploads: always to a file, so that the web process stays small
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# Database: SQLite embedded, PostgreSQL by DATABASE_URL
_database = env.database("DATABASE_URL", f"sqlite:///{STATE_DIR / 'known-good.sqlite3'}")
if "sqlite" in _database["ENGINE"]:
    # IMMEDIATE takes the write lock at BEGIN: without it concurrent writers fail at their first write.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    _database |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Broker: a wake-up for the workers, never the record
REDIS_URL = env.redis("REDIS_URL", f"redis+socket://{STATE_DIR / 'broker.sock'}")
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker for as long as it takes
# Far longer than any job: a task redelivered while it runs would wake a second worker for nothing.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 86400,
    "socket_timeout": 20,
    "socket_connect_timeout": 3,
    # A request does not wait for a broker that is down: the sweep publishes the job later.
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TIMEZONE = "UTC"
# A worker consumes the general queue and those of the hosts it serves.
WORKER_HOSTS = env.words("KG_HOSTS", ["local"])
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {name: {} for name in ("control", *(f"host.{h}" for h in WORKER_HOSTS))}
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "chatbot_service.tasks.sweep_hosts", "schedule": env.whole("KG_SWEEP_SECONDS", 15, least=1)},
    "warn": {"task": "chatbot_service.tasks.warn_of_exceptions", "schedule": env.whole("KG_WARN_SECONDS", 600, least=1)},
    "backups": {"task": "chatbot_service.tasks.start_due_backups", "schedule": env.whole("KG_BACKUP_SECONDS", 60, least=1)},
    "signals": {"task": "chatbot_service.tasks.look_for_signals", "schedule": env.whole("KG_SIGNAL_SECONDS", 30, least=1)},
    "sights": {"task": "chatbot_service.tasks.look_at_hosts", "schedule": env.whole("KG_SIGHT_SECONDS", 60, least=1)},
    "deliveries": {"task": "chatbot_service.tasks.send_deliveries", "schedule": env.whole("KG_DELIVERY_SECONDS", 15, least=1)},
    "resources": {"task": "chatbot_service.tasks.measure_hosts", "schedule": env.whole("KG_RESOURCE_SECONDS", 300, least=1)},
    "reviews": {"task": "chatbot_service.tasks.review_approvals", "schedule": env.whole("KG_REVIEW_SECONDS", 300, least=1)},
}

# Mail: without a server it is written to the log of the worker that would have sent it
EMAIL_HOST = env.text("KG_SMTP_HOST")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
EMAIL_PORT = env.port("KG_SMTP_PORT", 25)
EMAIL_HOST_USER = env.text("KG_SMTP_USER")
EMAIL_HOST_PASSWORD = env.text("KG_SMTP_PASSWORD")
EMAIL_USE_TLS = env.flag("KG_SMTP_STARTTLS", default=False)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text("KG_MAIL_FROM", "known-good@localhost")

# Notifications: webhooks that may lie inside this network (host or host:port); where people find the portal, for links
NOTIFY_PRIVATE = env.words("KG_NOTIFY_PRIVATE", [])
PUBLIC_URL = env.text("KG_PUBLIC_URL").rstrip("/")

# Docker: workers only
COMPOSE_BINARY = env.text("KG_COMPOSE_BINARY")
RESTIC_BINARY = env.text("KG_RESTIC_BINARY")
JOB_LEASE_SECONDS = env.whole("KG_JOB_LEASE_SECONDS", 30, least=3)
PRIVATE_REGISTRIES = env.words("KG_PRIVATE_REGISTRIES", ["127.0.0.1", "localhost"])

# Health history: how many days are kept; 0 for ever, but for probes, of which buckets must be made
HEALTH_SAMPLE_DAYS = env.whole("KG_HEALTH_KEEP_PROBES", 7, least=1)
HEALTH_ROLLUP_DAYS = {
    300: env.whole("KG_HEALTH_KEEP_5_MINUTES", 90),
    3600: env.whole("KG_HEALTH_KEEP_HOURS", 366),
    86400: env.whole("KG_HEALTH_KEEP_DAYS", 0),
}
HEALTH_TRANSITION_DAYS = env.whole("KG_HEALTH_KEEP_TRANSITIONS", 0)

# The embedded registry and the demo
REGISTRY_PORT = env.port("KG_REGISTRY_PORT", 5000)
DEMO_PORT = env.port("KG_DEMO_PORT", 8000)

# Language, time
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# Static files
STATIC_URL = "static/"
STATIC_ROOT = STATE_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Hard shell
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
HTTPS = env.flag("KG_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SESSION_ENGINE = "portal.sessions"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "portal.access.form_not_ours"
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LOG_LEVEL = env.one_of("KG_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {"celery": {"level": "WARNING"}, "docker": {"level": "WARNING"}, "urllib3": {"level": "ERROR"}},
}
