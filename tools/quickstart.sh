#!/usr/bin/env bash
# The whole story on two CPU cores: install, make the demo data, train, distill, compare. Go on after an interruption by
# starting it again. Options: --smoke (2 minutes), --seeds 0 1 2, --data FOLDER, --out FOLDER
set -e
cd "$(dirname "$0")/.."
bash tools/setup_env.sh
exec .venv/bin/python tools/quickstart.py "$@"
