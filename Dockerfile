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
