# Two stages: the first installs the pinned packages, the second holds them and the bot, and no tools.
# `make image` walks through these very steps without a container engine; it knows the instructions used here.

FROM python:3.13-slim AS build
ENV VENV=/opt/easel/venv DATA_DIR=/data BACKUPS=/backups SRC=/src
ENV PIP="-m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all:"
COPY requirements.txt requirements-build.txt $SRC/
# Wheels only: nothing is compiled, so no compiler is needed here and no package runs code of its own while it is installed.
# One exception: pyvips is published as source only. It is Python alone (pyvips-binary brings the library) and is packed here by a pinned setuptools.
RUN python3 -m venv $VENV \
 && $VENV/bin/python $PIP -r $SRC/requirements-build.txt \
 && $VENV/bin/python $PIP --no-binary pyvips --no-build-isolation -r $SRC/requirements.txt \
 && $VENV/bin/python -m pip uninstall --yes --quiet setuptools pip \
 && mkdir -p $DATA_DIR $BACKUPS

FROM python:3.13-slim
ENV VENV=/opt/easel/venv DATA_DIR=/data BACKUPS=/backups APP=/opt/easel/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2
ENV PATH=$VENV/bin:$PATH
COPY --from=build $VENV $VENV
# A number needs no entry in /etc/passwd. A new volume takes over the owner of the folder that it covers.
COPY --from=build --chown=10001:10001 $DATA_DIR $DATA_DIR
COPY --from=build --chown=10001:10001 $BACKUPS $BACKUPS
COPY pyproject.toml $APP/
COPY bot $APP/bot
COPY cogs $APP/cogs
COPY deploy/sbom.json $APP/
# The user below may not write here, so without this each start would compile all modules again.
RUN python -m compileall -q $APP/bot $APP/cogs
WORKDIR $APP
USER 10001:10001
STOPSIGNAL SIGTERM
# Unhealthy: not started yet, stopped, or its loops are stuck. The first start may upgrade a large database.
HEALTHCHECK --interval=60s --timeout=10s --start-period=300s CMD ["python", "-m", "bot", "health"]
ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]
