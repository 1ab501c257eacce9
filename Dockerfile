# Two images from one file, by the classic builder or BuildKit:
#   docker build --target personal_chatbot --build-arg BUILD=1 --tag personal-chatbot:build-1 .
#   docker build --target portal --tag known-good-portal .
# Where no registry can be reached, set-up makes a base from Debian packages: --build-arg BASE_IMAGE=known-good-base
#
# The base is pinned by the digest of its multi-platform index. Refresh it for a fix in the base, and monthly:
#   docker pull debian:bookworm-slim && docker image inspect --format '{{index .RepoDigests 0}}' debian:bookworm-slim
ARG BASE_IMAGE=docker.io/library/debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171

FROM ${BASE_IMAGE} AS base
# Installs what the base lacks, and takes every setuid and setgid bit away: nothing here may gain rights.
RUN set -eu; \
    missing=''; \
    for command in bash python3 tini; do command -v "$command" >/dev/null || missing="$missing $command"; done; \
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"; \
    if [ -n "$missing" ]; then \
        apt-get update; \
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $missing; \
        rm -rf /var/lib/apt/lists/*; \
    fi; \
    find / -xdev -perm /6000 -type f -exec chmod a-s {} +


FROM base AS personal_chatbot
RUN groupadd --gid 10001 chatbot \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin chatbot \
    && install --directory --owner=10001 --group=10001 --mode=0750 \
        /app/personal_chatbot/uploads /app/personal_chatbot/exports
WORKDIR /app
COPY chatbot_service/image/scripts scripts
COPY chatbot_service/image/app personal_chatbot
# Byte code is made here, as the root file system is read-only later. The modes do not depend on the checkout's umask.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash personal_chatbot \
    && chmod -R a+rX,go-w scripts personal_chatbot/*.py personal_chatbot/page personal_chatbot/__pycache__
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=6 CMD ["bash", "scripts/healthcheck.sh"]
# tini passes SIGTERM on and collects orphans. -E -s -S: nothing but the standard library, and a quick start.
ENTRYPOINT ["tini", "--", "python3", "-E", "-s", "-S", "-m", "personal_chatbot"]
# What tells builds apart comes last, so that all else is built once. The file gives each build a layer of its own.
# FAULT makes a build that is meant to fail: unhealthy, exit, exit-later, flap or hang.
ARG BUILD=unknown
ARG FAULT=
RUN echo "${BUILD} ${FAULT}" > build
USER 10001:10001
ENV BUILD_NAME=${BUILD} BUILD_FAULT=${FAULT}
LABEL org.opencontainers.image.title="personal_chatbot" \
      org.opencontainers.image.description="Reference chatbot: chat page, streaming answers, two writable folders" \
      org.opencontainers.image.version="${BUILD}" \
      io.known-good.build="${BUILD}" \
      io.known-good.fault="${FAULT}"


FROM base AS portal-packages
RUN set -eu; \
    if ! python3 -c 'import ensurepip' 2>/dev/null; then \
        apt-get update; \
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3-venv; \
        rm -rf /var/lib/apt/lists/*; \
    fi
# The system's certificates also hold where the way out is a proxy with a certificate of its own in the base.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
    UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PYTHON=/usr/bin/python3 UV_PROJECT_ENVIRONMENT=/opt/known-good
WORKDIR /build
# Wheels for x86-64 and ARM64. Refresh: pip download --no-deps uv==VERSION, and sha256sum.
RUN python3 -m venv /opt/uv && printf '%s\n' 'uv==0.13.9 \
    --hash=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 \
    --hash=sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe' > uv.txt \
    && /opt/uv/bin/pip install --quiet --only-binary=:all: --require-hashes --requirement uv.txt
COPY pyproject.toml uv.lock ./
# By the lock file and its hashes, from wheels alone: no compiler is needed here, and none gets into the image.
RUN /opt/uv/bin/uv sync --frozen --no-dev --no-build --no-progress --compile-bytecode


FROM base AS portal
RUN groupadd --gid 10002 known-good \
    && useradd --uid 10002 --gid 10002 --no-create-home --home-dir /var/lib/known-good --shell /usr/sbin/nologin known-good \
    && install --directory --owner=10002 --group=10002 --mode=0750 /var/lib/known-good
COPY --from=portal-packages /opt/known-good /opt/known-good
WORKDIR /srv/known-good
COPY manage.py pyproject.toml ./
COPY docs docs
COPY deploy_records deploy_records
COPY chatbot_service chatbot_service
COPY portal portal
RUN chmod -R a+rX,go-w . && /opt/known-good/bin/python -m compileall -q --invalidation-mode unchecked-hash .
ENV PATH=/opt/known-good/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DJANGO_SETTINGS_MODULE=portal.settings PYTHONUNBUFFERED=1 KG_STATE_DIR=/var/lib/known-good
EXPOSE 8080
USER 10002:10002
VOLUME /var/lib/known-good
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=6 \
    CMD ["python", "-c", "import http.client; c = http.client.HTTPConnection('127.0.0.1', 8080, timeout=2); c.request('GET', '/sign-in/', headers={'Host': 'localhost'}); raise SystemExit(c.getresponse().status >= 500)"]
# The web process only: workers run `celery`, and `manage.py migrate` comes before both. Static files are collected
# at each start, as the state folder outlives the image and must not keep those of an older one.
ENTRYPOINT ["tini", "--"]
CMD ["sh", "-c", "python manage.py collectstatic --no-input --verbosity 0 && exec gunicorn portal.wsgi --bind 0.0.0.0:8080 --worker-class gthread --workers 2 --threads 8 --worker-tmp-dir /dev/shm --no-control-socket --preload --access-logfile -"]
ARG BUILD=unknown
LABEL org.opencontainers.image.title="known-good-portal" \
      org.opencontainers.image.description="Known Good: the deployment portal's web process" \
      org.opencontainers.image.version="${BUILD}" \
      io.known-good.build="${BUILD}"
