#!/usr/bin/env bash
# What slurm_train.sh and slurm_test.sh have in common: slurm_run.sh PARTITION JOB_NAME TOOL [its arguments]
set -e
ROOT=$(cd "$(dirname "$0")/.." && pwd)
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
[ "$GPUS" -lt "$GPUS_PER_NODE" ] && GPUS_PER_NODE=$GPUS
if [ "$GPUS" -gt 0 ]; then
    devices=(--gres="gpu:$GPUS_PER_NODE" --ntasks="$GPUS" --ntasks-per-node="$GPUS_PER_NODE")
else
    devices=(--ntasks="${NTASKS:-2}")
fi
export PYTHONPATH="$ROOT:$PYTHONPATH"
# shellcheck disable=SC2086 (SRUN_ARGS is a list of options)
exec srun -p "$1" --job-name="$2" "${devices[@]}" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    --signal=TERM@120 $SRUN_ARGS \
    python -u "$ROOT/tools/$3" "${@:4}" --launcher slurm
