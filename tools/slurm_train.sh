#!/usr/bin/env bash
# tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [train.py's options]
# From the environment: GPUS (8; 0: processes on CPUs), GPUS_PER_NODE (8), CPUS_PER_TASK (5), SRUN_ARGS.
# The job is told to end two minutes before its time is up: it saves, and --resume goes on.
set -e
[ $# -ge 4 ] || { echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [options]" >&2; exit 2; }
exec "$(dirname "$0")/slurm_run.sh" "$1" "$2" train.py "$3" --work-dir "$4" "${@:5}"
