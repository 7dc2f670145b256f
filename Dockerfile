# One image for all three commands: the API (as it is), `python -m adapters.worker` and `python -m adapters.migrate`.
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t story-to-image-generator .
# The tag below moves with Python's patches. To build on one exact image, name it with its digest:
#   --build-arg PYTHON_IMAGE="python:3.11-slim-bookworm@$(docker buildx imagetools inspect \
#     --format '{{.Manifest.Digest}}' python:3.11-slim-bookworm)"
# .github/workflows/release.yml does, and the image's attestation names it.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS wheels
WORKDIR /wheels
COPY requirements.txt requirements-scale.txt ./
# The tools of the tests stay outside: requirements.txt has both.
RUN sed -i -E '/^(pytest|respx)/d' requirements.txt \
 && pip wheel --no-cache-dir --wheel-dir . --requirement requirements-scale.txt

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Story to Image Generator" \
      org.opencontainers.image.description="Turns a story or script into pictures." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Letters for books in other scripts than Latin, Greek and Cyrillic: 145 MB of the image. --build-arg FONTS= leaves them
# out; a book that needs one is then answered with 503 font_missing. Versions are Debian's: its mirrors keep no others.
ARG FONTS="fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji"
# hadolint ignore=DL3008,SC2086
RUN if [ -n "${FONTS}" ]; then \
      apt-get update && apt-get install -y --no-install-recommends ${FONTS} && rm -rf /var/lib/apt/lists/*; \
    fi \
 && groupadd --gid 10001 story \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin story \
 && install -d -o story -g story -m 0750 /data /data/projects /data/pictures

RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl

WORKDIR /app
COPY LICENSE .env.example ./
COPY main.py config.py models.py lexicon.py utils.py ai_services.py session_manager.py business_logic.py ./
COPY adapters adapters
COPY static static
RUN python -m compileall -q .

# Nothing is written but below /data and /tmp: run it with a read-only root. It starts in production, so that it never
# serves without keys by accident; -e ENVIRONMENT=development tries it out.
ENV ENVIRONMENT=production \
    HOST=0.0.0.0 \
    PORT=8000 \
    PROJECTS_DIR=/data/projects \
    MALLOC_ARENA_MAX=2 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
  CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health/ready'); raise SystemExit(c.getresponse().status >= 400)"]
CMD ["python", "main.py"]
