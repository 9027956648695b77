# Two stages: the first installs from the hashed lock, the second holds only what runs.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY cds_service ./cds_service
COPY hooks ./hooks
COPY fixtures ./fixtures
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
COPY --from=build /opt/venv /opt/venv
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cds \
    && mkdir /data && chown cds /data
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 CDS_DATA_DIR=/data CDS_HOST=0.0.0.0
USER 10001
VOLUME /data
EXPOSE 8642
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8642/health', timeout=2)"]
CMD ["cds-service", "serve"]
