# One image per service: docker build --build-arg SERVICE=gateway -t promptly-gateway .
# Inside: Python, that service's pinned dependencies (hashes checked), its code and shared/. It runs as nobody special,
# needs no writable file system, and carries no build tools.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS dependencies
ARG SERVICE
COPY requirements/${SERVICE}.lock /requirements.lock
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /venv \
    && /venv/bin/pip install --disable-pip-version-check --require-hashes -r /requirements.lock \
    && /venv/bin/pip uninstall -qy pip \
    && find /venv -name tests -type d -prune -exec rm -r {} +

FROM ${PYTHON_IMAGE} AS service
ARG SERVICE
# A volume mounted over /mails takes its owner from here.
RUN groupadd --system --gid 10001 promptly && useradd --system --uid 10001 --gid promptly --no-create-home promptly \
    && install -d -o promptly -g promptly -m 700 /mails
COPY --from=dependencies /venv /venv
WORKDIR /app
COPY shared shared
COPY services/${SERVICE} services/${SERVICE}
# Compiled here, for there is no place to keep it at run time: a new replica answers sooner.
RUN python3 -m compileall -q shared services
ENV PATH=/venv/bin:$PATH SERVICE=${SERVICE} LISTEN_HOST=0.0.0.0 LISTEN_PORT=8000 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER promptly
EXPOSE 8000
STOPSIGNAL SIGTERM
# A bare socket: each check starts an interpreter, and urllib would cost it five times as much.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=5 \
    CMD ["python3", "-IS", "-c", "import socket as s; c = s.create_connection(('127.0.0.1', 8000), 2); c.sendall(b'GET /health HTTP/1.0\\r\\n\\r\\n'); assert b' 200 ' in c.recv(64)"]
ENTRYPOINT ["sh", "-c", "exec python3 -m services.$SERVICE \"$@\"", "service"]

# What prepares the database: roles and schemas before the services' own migrations, the operator's views after them.
FROM service AS database
COPY deploy/database deploy/database
ENTRYPOINT ["python3", "-m", "deploy.database.bootstrap"]
