#!/usr/bin/env bash
# tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [test.py's options]
# From the environment: GPUS (8; 0: processes on CPUs), GPUS_PER_NODE (8), CPUS_PER_TASK (5), SRUN_ARGS.
set -e
[ $# -ge 4 ] || { echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [options]" >&2; exit 2; }
exec "$(dirname "$0")/slurm_run.sh" "$1" "$2" test.py "${@:3}"
