#!/usr/bin/env bash
# Install what is missing and run the tests, in two processes of one thread. Options are pytest's.
set -e
cd "$(dirname "$0")/.."
bash tools/setup_env.sh
export OMP_NUM_THREADS=1
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
