#!/usr/bin/env bash
# Build the documentation into docs/_build/html; warnings are errors. Options are sphinx-build's.
set -e
cd "$(dirname "$0")/.."
[ -x .venv/bin/python ] && [ ! -e .venv/unfinished ] || bash tools/setup_env.sh
if ! .venv/bin/python -c 'import furo, myst_parser, sphinx_copybutton, sphinx_design' 2>/dev/null; then
    # with the set of packages that is there: the two must not be mixed
    if compgen -G '.venv/lib/python3*/site-packages/onedl_mmengine*' >/dev/null; then stack=onedl; else stack=openmmlab; fi
    MMFMKT_STACK=$stack .venv/bin/python -m pip install --quiet --no-build-isolation -e '.[docs]'
fi
export OMP_NUM_THREADS=1
.venv/bin/python -m sphinx -W --keep-going -b html "$@" docs docs/_build/html
echo "open docs/_build/html/index.html"
