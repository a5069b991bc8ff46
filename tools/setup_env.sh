#!/usr/bin/env bash
# Make .venv in the project's root and install everything into it. Does nothing if that was done before.
#   tools/setup_env.sh --stack onedl        installs the maintained forks of MMEngine, MMCV and MMDetection; openmmlab
#                                           the originals, which Python 3.10 to 3.12 have by default
#   PYTHON=python3.12 tools/setup_env.sh    uses that Python
#   MMFMKT_CPU=1 tools/setup_env.sh         ignores an NVIDIA GPU
#   MMFMKT_CUDA=1 tools/setup_env.sh        installs for NVIDIA GPUs that this machine need not have, as where a
#                                           container is made; TORCH_CUDA_ARCH_LIST="8.0;9.0" says for which
set -euo pipefail
case "${PYTHON:-}" in
    /* | '') ;;
    */*) export PYTHON="$PWD/$PYTHON" ;;
esac
cd "$(dirname "$0")/.."

fail() { echo "setup: $*" >&2; exit 1; }
supported() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' 2>/dev/null; }

if [ -n "${PYTHON:-}" ]; then
    supported "$PYTHON" || fail "Python must be 3.10 to 3.14, but PYTHON=$PYTHON is $("$PYTHON" --version 2>&1 || true)"
else
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        supported $candidate && { python=$candidate; break; }
    done
    [ -n "${python:-}" ] || fail "Python must be 3.10 to 3.14, but python3 is" \
        "$(command -v python3 >/dev/null && python3 --version 2>&1 || echo missing); install one (on Debian and Ubuntu: apt install" \
        "python3), and name it if it is not on the PATH: PYTHON=/path/to/python3 $0"
fi
exec "${PYTHON:-$python}" tools/environment/install.py "$@"
