# One image for every role; the command selects the role: worker, api, or a CLI verb.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
# Without pip in the environment: nothing can be installed into it once it is in the image.
RUN python -m venv --without-pip /opt/tocsin && pip --python /opt/tocsin/bin/python install --no-cache-dir --require-hashes -r requirements.lock
COPY service service
COPY streams streams
COPY templates templates
COPY docs/events/asyncapi.json docs/events/asyncapi.json
COPY .ci/metadata_hook.py .ci/metadata_hook.py
RUN pip --python /opt/tocsin/bin/python install --no-cache-dir --no-deps .

FROM python:3.13-slim
ARG SOURCE=""
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="Tocsin" org.opencontainers.image.description="Event-driven notification dispatch" org.opencontainers.image.licenses="Apache-2.0" org.opencontainers.image.source="$SOURCE" org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$REVISION"
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin tocsin && pip uninstall --yes --quiet --root-user-action=ignore pip && rm -r /usr/local/lib/python3*/ensurepip
COPY --from=build /opt/tocsin /opt/tocsin
ENV PATH=/opt/tocsin/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
# A worker serves /livez on its metrics port, the API on its own port; one of them must answer 200.
HEALTHCHECK --interval=10s --timeout=8s --start-period=30s --retries=3 CMD ["python", "-c", "import os, sys, urllib.request\nfor name, usual in ('TOCSIN_WORKER__METRICS_PORT', '9100'), ('TOCSIN_HTTP__PORT', '8000'):\n  try: sys.exit(urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(name, usual)}/livez', timeout=3).status != 200)\n  except OSError: pass\nsys.exit(1)"]
ENTRYPOINT ["tocsin"]
CMD ["doctor"]
