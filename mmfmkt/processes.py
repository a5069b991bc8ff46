"""Which of several processes this is, before PyTorch knows."""
import os


def is_first_process() -> bool:
    """Is this the only process, or the first of those that torchrun or Slurm has started?"""
    return os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0'
