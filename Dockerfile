# Image of the retempo command: workers, plan, apply, status and all the rest, with the example project inside.
#
#   docker build -t retempo:0.1.0 .
#   docker run --rm retempo:0.1.0 --help
#
# NOT RUN HERE: this file was written on machines without a container engine. test/package/compose.test.ts checks what can
# be checked without one; BuildKit's parser reads it; its install, build and prune steps, and the worker, health check and
# first release that follow from them, were run by hand on Debian 12 with Node 20.20.2 as a user without rights.
#
# glibc only: the Temporal SDK's native part has no build for musl, so there is no Alpine variant.

# ---- build: everything that compiles stays in this stage
FROM node:20.20.2-bookworm-slim@sha256:2cf067cfed83d5ea958367df9f966191a942351a2df77d6f0193e162b5febfc0 AS build
WORKDIR /app

# First only what decides about node_modules, so that a change of code does not install again.
COPY package.json package-lock.json .npmrc ./
COPY workflows/package.json workflows/
COPY activities/analysis/package.json activities/analysis/
COPY activities/core/package.json activities/core/
COPY activities/onprem/package.json activities/onprem/
COPY workers/package.json workers/
COPY starters/package.json starters/
COPY cli/package.json cli/retempo.js cli/
COPY examples/flight-delay/package.json examples/flight-delay/
# No install script of a dependency is needed: the native parts come as prebuilt packages.
RUN npm ci --ignore-scripts --no-audit --no-fund

COPY tsconfig.base.json ./
COPY workflows workflows
COPY activities activities
COPY workers workers
COPY starters starters
COPY cli cli
COPY examples examples
# The command references every package that it needs; tests are neither built nor shipped.
RUN npx tsc -b cli && npm run bundle && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

# ---- final: Node, tini, the packages, and nothing that compiles
FROM node:20.20.2-bookworm-slim@sha256:2cf067cfed83d5ea958367df9f966191a942351a2df77d6f0193e162b5febfc0
# tini is process 1: it hands SIGTERM to the command, and buries supervisors and trainers, which outlive whoever started
# them and would otherwise stay as zombies.
RUN apt-get update && apt-get install -y --no-install-recommends tini=0.19.* && rm -rf /var/lib/apt/lists/*

COPY LICENSE /app/LICENSE
COPY --from=build /app/package.json /app/package.json
COPY --from=build /app/node_modules /app/node_modules
COPY --from=build /app/workflows /app/workflows
COPY --from=build /app/activities /app/activities
COPY --from=build /app/workers /app/workers
COPY --from=build /app/starters /app/starters
COPY --from=build /app/cli /app/cli
COPY --from=build /app/examples /app/examples
# Code belongs to root and is read-only for the user who runs it; only the state folder is that user's own. A new named
# volume that is mounted there takes over its owner.
RUN ln -s /app/cli/retempo.js /usr/local/bin/retempo \
  && install -d -o node -g node -m 0700 /app/examples/flight-delay/.retempo

ENV NODE_ENV=production
WORKDIR /app/examples/flight-delay
USER node

# SIGTERM drains: no new work, what runs is finished or handed over within limits.drain (30 s). Give it longer than that
# before SIGKILL (docker stop --time 60). Local jobs and endpoints end with their container; see activities/onprem/README.md.
STOPSIGNAL SIGTERM

# Healthy when the Temporal server sees a worker on the control queue. A container that runs another command has no use for
# it: docker run --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 \
  CMD retempo doctor --json | grep -q '"level":"ok","what":"queue retempo.control"'

ENTRYPOINT ["tini", "--", "retempo"]
CMD ["worker"]
