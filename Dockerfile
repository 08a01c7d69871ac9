FROM python:3.11-slim-bookworm AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/fte
COPY requirements.lock ./
RUN /opt/fte/bin/pip install --require-hashes --only-binary=:all: -r requirements.lock
COPY pyproject.toml README.md ./
COPY migrations ./migrations
COPY fte ./fte
RUN /opt/fte/bin/pip install --no-deps --no-build-isolation . \
 && /opt/fte/bin/pip uninstall --yes editables hatchling pip setuptools
# Google's library describes all of Google's services, in 100 MB; we use one of them. Where a telephone number is at home,
# in 40 MB, we do not ask.
RUN find /opt/fte/lib/python3.*/site-packages/googleapiclient/discovery_cache/documents \
    -type f ! -name gmail.v1.json -delete \
 && rm -r /opt/fte/lib/python3.*/site-packages/phonenumbers/geodata


FROM python:3.11-slim-bookworm
# Without a home in /home: the data folder is all that the user may write to.
RUN groupadd --system --gid 10001 fte \
 && useradd --system --uid 10001 --gid fte --home-dir /var/lib/fte --shell /usr/sbin/nologin fte \
 && install --directory --owner fte --group fte --mode 700 /var/lib/fte
COPY --from=build /opt/fte /opt/fte
ENV PATH=/opt/fte/bin:$PATH \
    HOME=/var/lib/fte \
    FTE_DATA_DIR=/var/lib/fte \
    FTE_PORT=8000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/fte
VOLUME /var/lib/fte
EXPOSE 8000
STOPSIGNAL SIGTERM
# http.client rather than urllib: a proxy of the environment must not be asked.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['FTE_PORT']), timeout=4); c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["fte"]
CMD ["up", "--host", "0.0.0.0"]
