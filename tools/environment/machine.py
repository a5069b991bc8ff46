"""What the machine has: a compiler, room on the disk, a GPU with its toolkit, a PyTorch."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from console import fail

OPENCV = ('libGL.so.1', 'libxcb.so.1', 'libgthread-2.0.so.0')  # what the wheels of opencv-python do not bring along
CPU_INDEX = 'https://download.pytorch.org/whl/cpu'
PROBE = """
import json, sys
import torch
numbers = tuple(int(part) for part in torch.__version__.split('.')[:2])
if not (3, 10) <= sys.version_info < (3, 15) or numbers < (2, 4) or not torch.cuda.is_available():
    sys.exit(1)
print(json.dumps([path for path in sys.path if path.endswith(('site-packages', 'dist-packages'))]))
"""


@dataclass(frozen=True)
class Torch:
    """A PyTorch that the machine has, and that runs on its GPU.

    Attributes:
        python: the Python that imports it.
        folders: where it and what it needs are.
    """

    python: str
    folders: tuple[str, ...]


def check_tools() -> None:
    """End the set-up if this Python cannot make environments, if MMCV cannot be compiled, or if OpenCV cannot run."""
    if sys.platform != 'linux':
        fail(f'the project runs on Linux, but got {sys.platform}; use a machine with Linux, a container, or WSL2')
    if not all(map(importlib.util.find_spec, ('venv', 'ensurepip'))):
        fail(f'{sys.executable} has no venv module; on Debian and Ubuntu: apt install python3-venv')
    if not Path(sysconfig.get_path('include'), 'Python.h').exists():
        fail(f'the C headers of {sys.executable} are missing; on Debian and Ubuntu: apt install python3-dev')
    compiler = os.environ.get('CXX', 'c++').split()[0]
    if not shutil.which(compiler):
        fail(f'a C++ compiler is missing ({compiler}); on Debian and Ubuntu: apt install g++')
    if missing := [name for name in OPENCV if not loads(name)]:
        fail(
            f'OpenCV needs {", ".join(missing)}, which this machine lacks; on Debian and Ubuntu: apt install libgl1 '
            'libglib2.0-0'
        )


def check_cache(folder: Path) -> None:
    """End the set-up if compiled operators cannot be kept in a folder, as where there is no home."""
    try:
        if not folder.is_absolute():
            raise OSError
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        fail(
            f'compiled operators are kept in {folder}, which cannot be written; set XDG_CACHE_HOME to a folder that '
            'can be written, by its whole path'
        )


def loads(library: str) -> bool:
    """Is a shared library there?"""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def check_room(folder: Path, gigabytes: float, what: str) -> None:
    """End the set-up if a disk has not so much room."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        fail(
            f'{what} takes about {gigabytes:g} GB, but the disk of {folder} has {free:.1f} GB free; free some space, '
            'or clone the project to a larger disk'
        )


def has_gpu() -> bool:
    """Is there an NVIDIA GPU that is not to be ignored, or shall the environment be for one elsewhere?"""
    return not os.environ.get('MMFMKT_CPU') and (for_another_machine() or 'GPU' in output_of('nvidia-smi', '-L'))


def for_another_machine() -> bool:
    """Is the environment for GPUs that this machine need not have, as where a container is made?"""
    return bool(os.environ.get('MMFMKT_CUDA'))


def check_architectures() -> None:
    """End the set-up if nothing says for which GPUs of another machine it shall compile."""
    if for_another_machine() and not gpu_architectures():
        fail(
            'MMFMKT_CUDA=1 must come with the compute capabilities of the GPUs where this machine has none, but '
            'TORCH_CUDA_ARCH_LIST is not set; set it, as TORCH_CUDA_ARCH_LIST="8.0;9.0"'
        )


def check_capabilities(cuda: str, least: float) -> None:
    """End the set-up if a GPU is older than those that a PyTorch for some CUDA runs on."""
    capabilities = [int(number) / 10 for number in re.findall(r'(?:^|_)(\d+)', gpu_architectures())]
    if older := [str(capability) for capability in capabilities if capability < least]:
        fail(
            f'the PyTorch that would be installed, for CUDA {cuda}, wants GPUs of compute capability {least} or later, '
            f'but got {", ".join(older)}; activate an environment with a PyTorch for CUDA 12.6, or name the GPUs that '
            'shall be used, as TORCH_CUDA_ARCH_LIST="9.0", or ignore all with MMFMKT_CPU=1'
        )


def gpu_architectures() -> str:
    """The compute capabilities of the GPUs, or those that PyTorch is told to compile for, as 80_90."""
    if chosen := os.environ.get('TORCH_CUDA_ARCH_LIST'):
        return '_'.join(re.split(r'[;, ]+', chosen.strip('; ').replace('.', '')))
    lines = output_of('nvidia-smi', '--query-gpu=compute_cap', '--format=csv,noheader').split()
    return '_'.join(sorted({line.replace('.', '') for line in lines}))


def find_torch(own: Path) -> Torch | None:
    """A PyTorch for the GPU: of $PYTHON, or of the active virtual environment (not `own`), of conda, of the system."""
    active, conda = os.environ.get('VIRTUAL_ENV'), os.environ.get('CONDA_PREFIX')
    candidates = [
        f'{folder}/bin/python' for folder in (active, conda) if folder and Path(folder).resolve() != own.resolve()
    ]
    found = map(
        shutil.which, ('python3', 'python', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10')
    )
    candidates = [os.environ['PYTHON']] if os.environ.get('PYTHON') else [*candidates, *filter(None, found)]
    for python in dict.fromkeys(candidates):
        if own.resolve() in Path(python).absolute().parents:
            continue
        if folders := output_of(python, '-c', PROBE):
            return Torch(python, tuple(json.loads(folders.splitlines()[-1])))
    return None


def find_nvcc() -> str | None:
    """CUDA's compiler, where PyTorch looks for it."""
    home = os.environ.get('CUDA_HOME') or os.environ.get('CUDA_PATH')
    places = [f'{home}/bin/nvcc'] if home else ['nvcc', '/usr/local/cuda/bin/nvcc']
    return next(filter(None, map(shutil.which, places)), None)


def check_nvcc(cuda: str) -> None:
    """End the set-up if CUDA's compiler is missing, or is of another major version than PyTorch's CUDA."""
    nvcc = find_nvcc()
    remedy = (
        f'install the toolkit of CUDA {cuda} and name it (CUDA_HOME=/usr/local/cuda-{cuda}), or activate an '
        'environment with a PyTorch for the toolkit that you have and remove .venv, or ignore the GPU with MMFMKT_CPU=1'
    )
    if not nvcc:
        fail(f"compiling MMCV's CUDA operators takes nvcc, which is missing; {remedy}")
    release = re.search(r'release (\d+)\.(\d+)', output_of(nvcc, '--version'))
    if not release or release[1] != cuda.split('.')[0]:
        has = f'{release[1]}.{release[2]}' if release else 'of an unknown version'
        fail(f"nvcc must be of the major version of PyTorch's CUDA, {cuda}, but {nvcc} is {has}; {remedy}")


def cpu_index_answers() -> bool:
    """Can PyTorch's index of builds without CUDA be reached?"""
    try:
        context = ssl.create_default_context(cafile=os.environ.get('PIP_CERT') or None)
        with urllib.request.urlopen(f'{CPU_INDEX}/torch/', timeout=10, context=context):
            return True
    except (OSError, ValueError):
        return False


def output_of(*command: str, env: dict[str, str] | None = None) -> str:
    """What a command prints; nothing if it fails or is not there."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    except (OSError, subprocess.TimeoutExpired):
        return ''
    return result.stdout.strip() if result.returncode == 0 else ''
