"""MMCV with its compiled operators: the wheel of an earlier set-up, one that the fork offers, or a new one."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from console import follow, say
from machine import check_nvcc, gpu_architectures, output_of
from places import CACHE, LOG, PIP, PYTHON, TEMPORARY

MMCV = dict(openmmlab='mmcv==2.1.0', onedl='onedl-mmcv==2.3.6')  # of the two sets of packages
WHEELS = os.environ.get('MMCV_BASE_URL', 'https://mmwheels.onedl.ai')  # compiled ones of the forks


def find_or_build_mmcv(stack: str, torch: str, cuda: str | None, python: str, env: dict[str, str]) -> Path:
    """The wheel of MMCV for a PyTorch.

    Args:
        stack: the set of packages.
        torch: version of PyTorch, as pip knows it.
        cuda: its CUDA, or None to compile for CPUs alone.
        python: version of Python, as '3.12'.
        env: environment variables of the commands.
    """
    system = f'{platform.machine()}-{"".join(platform.libc_ver())}'  # machines may have a home in common
    tag = f'{MMCV[stack].replace("==", "-")}-torch{torch}-cuda{cuda}-py{python}-{system}'
    folder = CACHE / (f'{tag}-sm{gpu_architectures()}' if cuda else tag)
    if not any(loads_operators(wheel, env) for wheel in folder.glob('*.whl')):
        shutil.rmtree(folder, ignore_errors=True)
        if not (stack == 'onedl' and download_wheel(folder, torch, cuda, env)):
            if cuda:
                check_nvcc(cuda)
            build_mmcv(MMCV[stack], folder, bool(cuda), env)
    return next(folder.glob('*.whl'))


def loads_operators(wheel: Path, env: dict[str, str]) -> bool:
    """Can the compiled operators of a wheel be loaded beside the PyTorch of the environment?"""
    folder = TEMPORARY / 'wheel'
    shutil.rmtree(folder, ignore_errors=True)
    try:
        shutil.unpack_archive(wheel, folder, 'zip')
    except shutil.ReadError:
        return False
    load = f'import sys, torch; sys.path.insert(0, {str(folder / "mmcv")!r}); import _ext; print("loaded")'
    return output_of(str(PYTHON), '-c', load, env=env) == 'loaded'


def download_wheel(folder: Path, torch: str, cuda: str | None, env: dict[str, str]) -> bool:
    """Look for a wheel that the fork's makers have compiled for this PyTorch; is there one, and can it be loaded?"""
    device = f'cu{cuda.replace(".", "")}' if cuda else 'cpu'
    release = ''.join(torch.split('.')[:2]) + '0'  # 280 for all of 2.8
    page = f'{WHEELS}/{device}-torch{release}/simple/onedl-mmcv/index.html'
    options = '--retries 0 --timeout 10 --no-deps --no-index --only-binary :all:'.split()
    command = [*PIP, 'download', *options, '-f', page, '-d', str(TEMPORARY), MMCV['onedl']]
    if subprocess.run(command, capture_output=True, env=env).returncode:
        return False
    wheel = next(TEMPORARY.glob('*.whl'))
    if not loads_operators(wheel, env):
        return False
    say("2/3 taking mmcv's operators as the fork's makers have compiled them")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.move(wheel, folder / wheel.name)
    return True


def build_mmcv(requirement: str, folder: Path, gpu: bool, env: dict[str, str]) -> None:
    """Compile MMCV, in a folder that stays if this is interrupted, so that it goes on from the files that are done.

    It does so as long as the environment is the same: the headers of a PyTorch that has been installed anew are newer.
    """
    env = dict(dict(MAX_JOBS=str(len(os.sched_getaffinity(0)))), **env, MMCV_WITH_OPS='1', CFLAGS='-O1 -g0 -w')
    if gpu:
        env.update(FORCE_CUDA='1', CFLAGS='-O2 -g0 -w')
    build = folder.with_name(f'{folder.name}.build')
    build.mkdir(parents=True, exist_ok=True)
    options = ['--no-deps', '--no-build-isolation']
    if not (build / 'source').exists():
        download = [*PIP, 'download', *options, '--no-binary', ':all:', '-d', str(build), requirement]
        follow("2/3 downloading mmcv's source", download, LOG, env)
        shutil.unpack_archive(next(build.glob('*.tar.gz')), build / 'unpacking')
        source = next((build / 'unpacking').iterdir())
        rename_header(source)
        source.rename(build / 'source')
    compile_it = [*PIP, 'wheel', '-v', '--no-cache-dir', *options, '-w', str(build / 'wheel'), str(build / 'source')]
    what = "2/3 compiling mmcv's operators, once for this torch: about 6 minutes on 2 cores"
    follow(f'{what}, {env["MAX_JOBS"]} at a time', compile_it, LOG, env)
    (build / 'wheel').rename(folder)
    shutil.rmtree(build)


def rename_header(source: Path) -> None:
    """Include the header that mmcv 2.1.0 names by the name that recent versions of PyTorch have given it."""
    for file in source.rglob('*'):
        if file.suffix in ('.cpp', '.cu', '.cuh', '.h', '.hpp'):
            code = file.read_bytes()
            if b'<THC/THCAtomics.cuh>' in code:
                file.write_bytes(code.replace(b'<THC/THCAtomics.cuh>', b'<ATen/cuda/Atomic.cuh>'))
