#!/usr/bin/env bash
# Install what is missing and run the tests, in two processes of one thread. Options are pytest's.
set -e
bash "$(dirname "$0")/setup_env.sh"
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
