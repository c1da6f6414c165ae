# One image per service: docker build --build-arg SERVICE=gateway -t promptly-gateway .
# Inside: Python, that service's pinned dependencies (hashes checked), its code and shared/. It runs as nobody special,
# needs no writable file system, and carries no build tools.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS dependencies
ARG SERVICE
COPY requirements/${SERVICE}.lock /requirements.lock
RUN python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.lock \
    && /venv/bin/pip uninstall -qy pip \
    && find /venv -name tests -type d -prune -exec rm -r {} +

FROM ${PYTHON_IMAGE} AS service
ARG SERVICE
RUN groupadd --system --gid 10001 promptly && useradd --system --uid 10001 --gid promptly --no-create-home promptly
COPY --from=dependencies /venv /venv
WORKDIR /app
COPY shared shared
COPY services/${SERVICE} services/${SERVICE}
ENV PATH=/venv/bin:$PATH SERVICE=${SERVICE} LISTEN_HOST=0.0.0.0 LISTEN_PORT=8000 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER promptly
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=5 \
    CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["sh", "-c", "exec python3 -m services.$SERVICE \"$@\"", "service"]

# What prepares the database: roles and schemas before the services' own migrations.
FROM service AS database
COPY deploy/database deploy/database
ENTRYPOINT ["python3", "-m", "deploy.database.bootstrap"]
