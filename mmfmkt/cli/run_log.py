"""What a run has to say about itself, so that it can be repeated."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import mmcv
import mmdet
import mmengine
import mmrazor
import torch
from mmengine.device import get_device
from mmengine.dist import get_world_size, master_only
from mmengine.runner import Runner

from mmfmkt.common.version import __version__


@master_only
def log_run(runner: Runner, resumed: str | None) -> None:
    """Log versions, the revision of the project, the device, seeds, and the checkpoint that the run goes on from.

    Levels that are compared and weights that are loaded are logged when the model is built.
    """
    packages = dict(
        mmfmkt=f'{__version__} ({revision()})',
        mmdet=mmdet.__version__,
        mmrazor=mmrazor.__version__,
        mmengine=mmengine.__version__,
        mmcv=mmcv.__version__,
        torch=torch.__version__,
        numpy=version('numpy'),
        python=platform.python_version(),
    )
    runner.logger.info('versions: ' + ', '.join(f'{name} {number}' for name, number in packages.items()))
    runner.logger.info(f'device: {name_device()}')
    runner.logger.info(
        f'seed {runner.seed} for {get_world_size()} process(es): iterations are seeded with it, their number and '
        'that of the process, images with it, the process, the pass, the batch and the place in it'
    )
    if resumed:
        runner.logger.info(f'going on from {resumed}')


def name_device() -> str:
    """What this process trains on; an environment that was made where no GPU was uses none elsewhere either."""
    device = get_device()
    if device == 'cpu':
        return 'CPU' if torch.version.cuda else 'CPU, with a PyTorch without CUDA'
    return torch.cuda.get_device_name() if device == 'cuda' else device


def revision() -> str:
    """The revision of the project's clone, with a + if it was changed, or that it is none."""
    git = ['git', '-C', str(Path(__file__).parent)]
    try:
        known = subprocess.run([*git, 'ls-files', '--error-unmatch', __file__], capture_output=True, timeout=10)
        head = subprocess.run([*git, 'rev-parse', '--short=10', 'HEAD'], capture_output=True, text=True, timeout=10)
        changed = subprocess.run([*git, 'status', '--porcelain', '-uno'], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return 'revision unknown'
    if known.returncode or head.returncode:  # git refuses the clone of another user
        return 'revision unknown' if (Path(__file__).parents[2] / '.git').exists() else 'no clone'
    return f'revision {head.stdout.strip()}{"+" if changed.stdout.strip() else ""}'
