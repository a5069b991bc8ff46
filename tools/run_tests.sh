#!/usr/bin/env bash
# Install what is missing and run the tests. Options are pytest's.
set -e
cd "$(dirname "$0")/.."
bash tools/setup_env.sh
exec .venv/bin/python -m pytest "$@"
