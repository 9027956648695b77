# syntax=docker/dockerfile:1
# The first stage installs from the hashed lock, the second holds only what runs. docs/container.md says how to use it.
#
# The base is named by tag, so that a rebuild brings the security updates of its patch releases. `make pin-base` adds
# its digest here, for a build that can be repeated bit by bit.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1 \
    SOURCE_DATE_EPOCH=1764547200
WORKDIR /src
# Without pip in it: nothing can be installed into the finished environment.
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock ./
# Two build secrets, both optional and in no layer: `ca`, the certificates of a proxy that looks into TLS, and `pip`, a
# pip.conf that names the site's own index. `make image CA=file PIP_CONF=file` passes them.
RUN --mount=type=secret,id=ca,target=/run/secrets/ca --mount=type=secret,id=pip,target=/run/secrets/pip \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && if [ -s /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi \
    && pip --python /opt/venv/bin/python install --no-compile --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY cds_service ./cds_service
COPY hooks ./hooks
COPY fixtures ./fixtures
COPY docs/clinical-decisions.md docs/clinical-examples.json ./docs/
COPY deploy/image/compile.py deploy/image/root.py ./deploy/image/
# The build backend comes from the lock too, and goes again. Bytecode of what the service imports is made once, here,
# and trusted as it is: a read-only root could not keep what is compiled at a start. Then what Python needs of the base
# is laid out in a folder of its own.
RUN pip --python /opt/venv/bin/python install --no-compile --no-deps --no-build-isolation --no-index . \
    && pip --python /opt/venv/bin/python uninstall --yes --quiet hatchling editables pathspec pluggy trove-classifiers \
    && /opt/venv/bin/python deploy/image/compile.py \
    && /opt/venv/bin/python deploy/image/root.py /image \
    && install -d -m 0750 /owned/data /owned/registry /owned/ehr /owned/tls

# Nothing of the base but what runs: no shell, no package manager, no pip, no program that could become another user.
FROM scratch
LABEL org.opencontainers.image.title="hyponatremia-cds" \
      org.opencontainers.image.description="FHIR-integrated CDS Hooks service for hyponatremia" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.documentation="docs/container.md"
COPY --from=build /image /
# Folders that volumes are mounted on take their owner from here.
COPY --from=build --chown=10001:10001 /owned /
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CDS_DATA_DIR=/data CDS_HOST=0.0.0.0 CDS_PORT=8642
USER 10001:10001
VOLUME /data
EXPOSE 8642
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-Sc", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"CDS_PORT\"]}/health', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["cds-service", "serve"]
