# One image for every role; the command chooses it.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/tocsin && /opt/tocsin/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY service service
COPY streams streams
COPY templates templates
RUN /opt/tocsin/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin tocsin
COPY --from=build /opt/tocsin /opt/tocsin
ENV PATH=/opt/tocsin/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
ENTRYPOINT ["tocsin"]
CMD ["doctor"]
