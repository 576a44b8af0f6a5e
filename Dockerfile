# JupyterLab with the kernel:
#
#   docker build -t kishu-kernel .
#   docker run -p 8888:8888 -v kishu-store:/var/lib/kishu -v "$PWD":/home/kishu/work kishu-kernel
#
# A user's server of a JupyterHub (docs/hub.md):
#
#   docker build --target hub -t kishu-hub .
#
# Packages are pinned by deploy/constraints.txt. Base images are named by version; to pin those, too, give their digests:
# --build-arg PYTHON=python@sha256:... --build-arg BUILDER=python@sha256:... --build-arg NODE=node@sha256:...
#
# .ci/run executes every `RUN python -m pip` line below: keep each on one line, with relative paths.
ARG PYTHON=python:3.13-slim-bookworm
ARG BUILDER=python:3.13-bookworm
ARG NODE=node:22-bookworm-slim

FROM ${NODE} AS node

# It has a C compiler. All images are one Debian's: Node.js, which builds the JupyterLab extension, runs here, too.
FROM ${BUILDER} AS build
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
# An image without the extension, or without the native module, is a mistake.
ENV KISHU_LABEXTENSION=1 KISHU_PURE=0
WORKDIR /src
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir dist .

FROM ${PYTHON} AS base
WORKDIR /src
COPY deploy deploy
COPY --from=build /src/dist dist
RUN python -m pip install --no-cache-dir --constraint deploy/constraints.txt jupyterlab "$(echo dist/*.whl)[panel,remote]"
RUN useradd --create-home --uid 1000 kishu

FROM base AS hub
RUN python -m pip install --no-cache-dir --constraint deploy/constraints.txt jupyterhub
# Histories lie in the home, which the hub keeps; kernels wake by themselves, and end when nobody uses them.
RUN install -D -m 0644 -t /usr/local/etc/jupyter deploy/hub/jupyter_server_config.json \
 && install -D -m 0644 -t /usr/local/etc/ipython deploy/hub/ipython_kernel_config.py \
 && rm -r /src
USER kishu
WORKDIR /home/kishu
EXPOSE 8888
CMD ["jupyterhub-singleuser"]

FROM base AS lab
# The store is the user's alone: pickles are loaded from it.
RUN install -d -m 0700 -o kishu -g kishu /var/lib/kishu \
 && install -d -o kishu -g kishu /home/kishu/work \
 && rm -r /src
ENV KISHU_STORE_DIR=/var/lib/kishu
VOLUME /var/lib/kishu
USER kishu
WORKDIR /home/kishu/work
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser"]
