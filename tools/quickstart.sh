#!/usr/bin/env bash
# Install, make the demo data, train, distill, compare; on two CPU cores. Go on after an interruption by
# starting it again. Options: --smoke (a few minutes), --seeds 0 1 2, --data FOLDER, --out FOLDER
set -e
cd "$(dirname "$0")/.."
bash tools/setup_env.sh
exec .venv/bin/python tools/quickstart.py "$@"
