"""Several processes on CPUs, which MMEngine leaves out."""

import os
import subprocess

import torch
from mmengine.config import Config


def prepare_distributed_cpu(cfg: Config) -> None:
    """Start gloo and have the model wrapped without device ids; MMEngine's own launchers call CUDA."""
    if cfg.launcher not in ('pytorch', 'slurm') or torch.cuda.is_available():
        return
    if cfg.launcher == 'slurm':
        name_slurm_process()
    torch.distributed.init_process_group('gloo')
    if 'runner_type' in cfg:  # its strategy wraps the model
        return
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)


def name_slurm_process() -> None:
    """Tell PyTorch what it reads of Slurm's variables: this process, how many there are, and where the first is."""
    nodes = os.environ['SLURM_NODELIST']
    names = dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID')
    os.environ.update({name: os.environ[of_slurm] for name, of_slurm in names.items()})
    os.environ.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in os.environ:
        hosts = subprocess.run(['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True, check=True)
        os.environ['MASTER_ADDR'] = hosts.stdout.split()[0]
