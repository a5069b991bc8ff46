#!/usr/bin/env bash
# Make .venv in the project's root and install everything into it. Does nothing if that was done before.
#   PYTHON=python3.12 tools/setup_env.sh    uses that Python (3.10 to 3.12)
#   MMFMKT_CPU=1 tools/setup_env.sh         ignores an NVIDIA GPU
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "setup: $*" >&2; exit 1; }
say() { echo "setup: $*"; }

stamp=.venv/installed-$(cat requirements.txt setup.py tools/setup_env.sh | cksum | cut -d' ' -f1)
[ -e "$stamp" ] && exit 0

python=${PYTHON:-}
for candidate in python3 python3.12 python3.11 python3.10; do
    [ -n "$python" ] && break
    "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null && python=$candidate
done
[ -n "$python" ] || fail "Python 3.10, 3.11 or 3.12 is missing; install one, or name it: PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null \
    || fail "$python is not a Python 3.10, 3.11 or 3.12"
"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "$python has no venv module; on Debian: apt install python3-venv"
"$python" -c 'import sys, sysconfig, os; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
    || fail "the C headers of $python are missing; on Debian: apt install python3-dev"
command -v g++ >/dev/null || command -v clang++ >/dev/null || fail "a C++ compiler is missing; on Debian: apt install g++"

gpu=0
[ -z "${MMFMKT_CPU:-}" ] && nvidia-smi -L 2>/dev/null | grep -q GPU && gpu=1
venv_options=()
torch='torch==2.13.0'
if [ $gpu = 1 ]; then
    command -v nvcc >/dev/null || fail "an NVIDIA GPU but no nvcc; install torch's version of the CUDA toolkit, or MMFMKT_CPU=1"
    torch='torch>=2.4'
    # a torch that suits this machine's driver is there already: use it
    "$python" -c 'import sys, torch; sys.exit(tuple(map(int, torch.__version__.split(".")[:2])) < (2, 4))' 2>/dev/null \
        && venv_options=(--system-site-packages)
fi

say "making .venv with $("$python" --version)"
"$python" -m venv "${venv_options[@]}" .venv
export PATH="$PWD/.venv/bin:$PATH"
log=$PWD/.venv/setup.log
quietly() { "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "this failed (all of its output: $log): $*"; }; }

quietly pip install -U 'pip>=25'
say "1/3 installing torch"
quietly pip install "$torch" 'setuptools>=77.0.3,<81' numpy wheel ninja
have=$(python -c 'import sys, torch; print(f"torch=={torch.__version__}")')

# mmcv's operators are compiled against this torch. The wheel is kept, under the names of all it depends on.
tag=$(python -c 'import sys, torch; print(f"{torch.__version__}-cuda{torch.version.cuda}-py{sys.version_info[0]}.{sys.version_info[1]}")')
[ $gpu = 1 ] && tag=$tag-sm$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | sort -u | tr -d '.' | tr '\n' '_')
wheels=${XDG_CACHE_HOME:-$HOME/.cache}/mmfmkt/mmcv-2.1.0-torch$tag
if ! compgen -G "$wheels/mmcv-*.whl" >/dev/null; then
    export MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(nproc)} CFLAGS='-O1 -g0 -w'
    if [ $gpu = 1 ]; then
        # recent torch has renamed the header that mmcv 2.1.0 includes
        mkdir -p .venv/shim/THC && echo '#include <ATen/cuda/Atomic.cuh>' >.venv/shim/THC/THCAtomics.cuh
        export FORCE_CUDA=1 CFLAGS="-O2 -g0 -w -I$PWD/.venv/shim" NVCC_PREPEND_FLAGS="-I$PWD/.venv/shim"
    fi
    say "2/3 compiling mmcv's operators (about 6 minutes on 2 cores)"
    build=$(mktemp -d)
    pip wheel -v --no-cache-dir --no-deps --no-build-isolation -w "$build" mmcv==2.1.0 >"$log" 2>&1 &
    pid=$!
    trap 'kill $pid 2>/dev/null' EXIT
    for ((second = 0; ; second += 2)); do
        kill -0 $pid 2>/dev/null || break
        done_of=$(grep -oE '^ *\[[0-9]+/[0-9]+\]' "$log" | tail -n 1 | tr -d ' ' || true)
        if [ -t 1 ]; then printf '\rsetup: %s files ' "${done_of:-[...]}"
        elif [ $((second % 60)) = 30 ]; then say "${done_of:-[...]} files"; fi
        sleep 2
    done
    [ ! -t 1 ] || echo
    wait $pid || { tail -n 20 "$log" >&2; fail "mmcv could not be compiled (all of the output: $log)"; }
    trap - EXIT
    mkdir -p "$wheels" && mv "$build"/mmcv-*.whl "$wheels"
fi
say "3/3 installing mmcv, mmengine, mmdet, mmrazor and mmfmkt"
quietly pip install "$wheels"/mmcv-*.whl "$have"
quietly pip install --no-build-isolation -e '.[demo,tests]' "$have"
quietly python -c 'import mmfmkt, mmcv.ops'
touch "$stamp"
say "done"
