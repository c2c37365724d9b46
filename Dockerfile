# docker build -t xaihelpers . && docker run --rm -p 127.0.0.1:8888:8888 xaihelpers
# With a GPU add --gpus all; results stay with -v "$PWD/results:/xaihelpers/results".
FROM python:3.12-slim

RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home learner && mkdir /xaihelpers && chown learner /xaihelpers
USER learner
WORKDIR /xaihelpers

# The pins first: a change of the code then does not install them again.
COPY --chown=learner requirements.txt ./
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --quiet -r requirements.txt
COPY --chown=learner . .
RUN make setup

EXPOSE 8888
CMD [".venv/bin/jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--notebook-dir=notebooks"]
