#!/bin/bash
# Starts the engine on this machine for real use and says how to point docker at it. Arguments go to linkspand.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "$(id -u)" = 0 ] || { echo 'run: networks and containers need root: run "sudo make run"' >&2; exit 1; }
socket=${LINKSPAN_SOCKET:-/run/linkspan/linkspan.sock}
cat <<TEXT
Linkspan listens on unix://$socket. In another terminal:

  export DOCKER_HOST=unix://$socket
  docker run -d --name web -p 8080:80 busybox sh -c 'echo hello >index.html; httpd -f'
  curl -i http://127.0.0.1:8080/

Without the docker command: $PWD/.venv/bin/linkspan --help.  Ctrl-C stops the engine; containers live on.
TEXT
exec .venv/bin/linkspand --host "unix://$socket" "$@"
