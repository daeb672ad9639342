# Three images of one file: eddy (the default), connect (a worker with the lake's sink), and what builds them.
# There is no container engine where Eddy is developed: tests read this file, nobody has built it there.

FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv /opt/eddy \
 && /opt/eddy/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY models models
COPY datasets datasets
COPY training training
COPY streams streams
COPY lake lake
COPY serving serving
COPY sandbox sandbox
COPY app app
COPY deploy deploy
COPY eddy eddy
RUN /opt/eddy/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM build AS jars
ENV EDDY_CACHE=/jars
# what downloads the jars is in the sandbox extra, which the shipped images do without
COPY requirements/demo.txt requirements/
RUN /opt/eddy/bin/pip install --no-cache-dir --require-hashes -r requirements/demo.txt
RUN /opt/eddy/bin/python -c "from eddy.sandbox import jars; jars.ensure_jars(listing=jars.ICEBERG_SINK_JARS)"

FROM apache/kafka:4.3.1 AS connect
COPY --from=jars /jars/jars /opt/plugins
COPY deploy/compose/connect.properties /opt/connect.properties
CMD ["/opt/kafka/bin/connect-distributed.sh", "/opt/connect.properties"]

FROM python:3.11-slim AS eddy
RUN useradd --uid 10001 --create-home --home-dir /var/lib/eddy eddy
COPY --from=build /opt/eddy /opt/eddy
COPY --from=build /src/deploy/lake-daily.sh /opt/eddy/lake-daily.sh
# beside the code nothing can be written
ENV PATH=/opt/eddy/bin:$PATH NUMBA_CACHE_DIR=/tmp/numba
WORKDIR /var/lib/eddy
USER 10001
ENTRYPOINT ["eddy"]
CMD ["run"]
