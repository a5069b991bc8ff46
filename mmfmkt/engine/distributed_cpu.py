"""Several processes on CPUs, which MMEngine leaves out."""

import os
import subprocess

import torch
from mmengine.config import Config

from mmfmkt.common.processes import LAUNCHERS


def prepare_distributed_cpu(cfg: Config) -> None:
    """Start gloo and have the model wrapped without device ids; MMEngine's own launchers call CUDA."""
    if cfg.launcher not in LAUNCHERS or torch.cuda.is_available():
        return
    name_process(cfg.launcher)
    torch.distributed.init_process_group('gloo')
    if 'runner_type' in cfg:  # its strategy wraps the model
        return
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)


def name_process(launcher: str) -> None:
    """Tell PyTorch by its own names what a launcher says: which process this is, of how many; where the first is."""
    os.environ.update({name: os.environ[called] for name, called in LAUNCHERS[launcher].items()})
    os.environ.setdefault('MASTER_PORT', '29500')
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        nodes = os.environ['SLURM_NODELIST']
        hosts = subprocess.run(['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True, check=True)
        os.environ['MASTER_ADDR'] = hosts.stdout.split()[0]
