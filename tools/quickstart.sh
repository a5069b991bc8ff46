#!/usr/bin/env bash
# Install, make the demo data, train, distill, compare; on two CPU cores. Go on after an interruption by
# starting it again. Options: --smoke (a few minutes), --seeds 0 1 2, --data FOLDER, --out FOLDER; a FOLDER is
# relative to the root of the project
set -e
bash "$(dirname "$0")/setup_env.sh"
cd "$(dirname "$0")/.."
exec .venv/bin/python tools/quickstart.py "$@"
