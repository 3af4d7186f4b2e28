# The image of every stand-in: one program of the standard library, and for each engine the programs that its real image has.
ARG BASE
FROM ${BASE}
COPY . /opt/stand-in
RUN ln -s "$(command -v python3)" /opt/stand-in/python3 && python3 -m compileall -q /opt/stand-in/simulators

ARG ENGINE
ARG VERSION
ARG OWNER
ARG HOME_FOLDER
ARG STORE
RUN mkdir -p "$STORE" && chown -R "$OWNER" "$HOME_FOLDER"
ENV STAND_IN_ENGINE=${ENGINE} STAND_IN_VERSION=${VERSION} HOME=${HOME_FOLDER} \
    PYTHONPATH=/opt/stand-in PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/stand-in/programs/${ENGINE}
USER ${OWNER}
ENTRYPOINT ["/opt/stand-in/python3", "-m", "simulators.start"]
