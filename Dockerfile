# JupyterLab with the kernel.
#
#   docker build -t kishu-kernel .
#   docker run -p 8888:8888 -v kishu-store:/var/lib/kishu -v "$PWD":/home/kishu/work kishu-kernel
#
# .ci/run executes every `RUN python -m pip` line below: keep each on one line, with relative paths.

FROM node:22-slim AS node

# Both images are Debian's: Node.js, which builds the JupyterLab extension, runs in the other one, too.
FROM python:3.13-slim AS build
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
# An image without the extension is a mistake.
ENV KISHU_LABEXTENSION=1
WORKDIR /src
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir dist .

FROM python:3.13-slim
WORKDIR /src
COPY --from=build /src/dist dist
RUN python -m pip install --no-cache-dir jupyterlab dist/*.whl

# The store is the user's alone: pickles are loaded from it.
RUN useradd --create-home --uid 1000 kishu \
 && install -d -m 0700 -o kishu -g kishu /var/lib/kishu \
 && install -d -o kishu -g kishu /home/kishu/work \
 && rm -r /src
ENV KISHU_STORE_DIR=/var/lib/kishu
VOLUME /var/lib/kishu

USER kishu
WORKDIR /home/kishu/work
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser"]
