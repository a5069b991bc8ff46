"""Install the project and everything that it needs into .venv; see setup_env.sh, which starts it."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from console import explain, fail, follow, say
from machine import (
    CPU_INDEX,
    check_nvcc,
    check_room,
    check_tools,
    cpu_index_answers,
    find_torch,
    for_another_machine,
    has_gpu,
    output_of,
)
from operators import MMCV, find_or_build_mmcv
from places import LOG, PIP, PYTHON, ROOT, TEMPORARY, VENV

UNFINISHED, CONSTRAINTS = VENV / 'unfinished', VENV / 'torch.txt'
INSTALLED = dict(openmmlab='mmcv-*.dist-info', onedl='onedl_mmcv-*.dist-info')  # how to tell which of them there is
TORCH = 'torch==2.13.0'  # the one that the project is tested with
CUDA = '13.0'  # what PyPI's wheel of it is built for
INSTALL = [*PIP, 'install', '--progress-bar', 'raw']
BUILD_TOOLS = ['setuptools>=77.0.3,<81', 'numpy', 'wheel', 'ninja']


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog='tools/setup_env.sh')
    parser.add_argument(
        '--stack',
        choices=tuple(MMCV),
        help="OpenMMLab's packages or their maintained forks (default: openmmlab "
        'up to Python 3.12, onedl for later ones)',
    )
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('setup: stopped; start it again to go on'))
    try:
        install(args.stack)
    except KeyboardInterrupt:
        fail('interrupted; start it again to go on')
    except OSError as error:  # a full disk, above all
        fail(f'{error.strerror}: {error.filename}' if error.strerror else str(error))


def install(stack: str | None) -> None:
    """Do what has not been done: environment, PyTorch, MMCV, and then everything else that pip installs."""
    stamp, there = VENV / f'installed-{digest()}', installed_stack()
    if stamp.exists() and stack in (None, there) and right_python():
        return
    check_tools()
    anew = not PYTHON.exists() or UNFINISHED.exists() or not right_python() or stack not in (None, there or stack)
    gpu = has_gpu()
    torch = find_torch(VENV) if gpu and anew else None
    base = torch.python if torch else sys.executable if anew else str(PYTHON)
    stack = stack or right_python() and there or default_stack(base)
    check_stack(stack, base)
    if anew:
        check_room(ROOT, 3, 'the environment')
        make_environment(base, torch.folders if torch else ())
    shutil.rmtree(TEMPORARY, ignore_errors=True)
    TEMPORARY.mkdir()
    env = environment(stack)
    if not output_of(*PIP, '--version'):
        change('installing pip', [str(PYTHON), '-m', 'ensurepip'], env)
    change('preparing pip', [*PIP, 'install', '-U', 'pip>=25'], env)
    install_torch(stack, gpu, env)
    python = '.'.join(map(str, version_of(str(PYTHON))))
    wheel = find_or_build_mmcv(stack, version_of_torch(), cuda_of_torch() if gpu else None, python, env)
    change(
        '3/3 installing mmcv, mmengine, mmdet, mmrazor and mmfmkt',
        [*INSTALL, '-c', str(CONSTRAINTS), '--no-build-isolation', str(wheel), '-e', '.[demo,tests]'],
        env,
    )
    check('import mmfmkt, mmcv.ops')
    shutil.rmtree(TEMPORARY)
    for file in VENV.glob('installed-*'):
        file.unlink()
    stamp.touch()
    say('done')


def change(what: str, command: list[str], env: dict[str, str]) -> None:
    """Run a command that changes the environment; if it does not end well, the next set-up makes everything anew."""
    UNFINISHED.touch()
    follow(what, command, LOG, env)
    UNFINISHED.unlink()


def digest() -> str:
    """Of all that says what is installed."""
    files = [ROOT / 'requirements.txt', ROOT / 'setup.py', *sorted(Path(__file__).parent.glob('*.py'))]
    return hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:12]


def installed_stack() -> str | None:
    """Which of the two sets of packages is in the environment."""
    return next(
        (stack for stack, pattern in INSTALLED.items() if any(VENV.glob(f'lib/python3*/site-packages/{pattern}'))), None
    )


def right_python() -> bool:
    """Is the environment of the Python that the user has named, if any?"""
    return not os.environ.get('PYTHON') or (VENV / 'lib' / f'python3.{sys.version_info[1]}').exists()


def default_stack(python: str) -> str:
    return 'openmmlab' if version_of(python) < (3, 13) else 'onedl'


def check_stack(stack: str, python: str) -> None:
    """End the set-up if a set of packages cannot be installed with a Python."""
    if stack == 'openmmlab' and version_of(python) >= (3, 13):
        fail(
            'mmcv 2.1.0, the last one of OpenMMLab, cannot be built on Python 3.13 and later, where its setup.py fails '
            "(KeyError: '__version__'); use --stack onedl, or an older Python: PYTHON=python3.12 tools/setup_env.sh"
        )


def version_of(python: str) -> tuple[int, ...]:
    """As (3, 12)."""
    return tuple(map(int, output_of(python, '-c', 'import sys; print(*sys.version_info[:2])').split()))


def make_environment(python: str, folders: Sequence[str]) -> None:
    """Make .venv anew; what is in `folders`, with the PyTorch of the machine, can be imported there too."""
    say(
        f'making .venv with {output_of(python, "--version")} ({python})'
        + (', whose PyTorch is used' if folders else '')
    )
    made = subprocess.run([python, '-m', 'venv', '--clear', '--without-pip', str(VENV)], capture_output=True, text=True)
    if made.returncode:
        fail(f'{python} -m venv failed: {(made.stdout + made.stderr).strip()}')
    packages = next(VENV.glob('lib/python3*/site-packages'))
    if folders:  # they come last on the path
        (packages / 'torch_of_the_machine.pth').write_text(
            ''.join(f'import site; site.addsitedir({folder!r})\n' for folder in folders)
        )


def environment(stack: str) -> dict[str, str]:
    """For the commands of the set-up. Temporary files are large, and /tmp often has little room."""
    return {
        **os.environ,
        'PATH': f'{VENV}/bin{os.pathsep}{os.environ["PATH"]}',
        'VIRTUAL_ENV': str(VENV),
        'TMPDIR': str(TEMPORARY),
        'MMFMKT_STACK': stack,
        'PIP_DISABLE_PIP_VERSION_CHECK': '1',
    }


def install_torch(stack: str, gpu: bool, env: dict[str, str]) -> None:
    """Install PyTorch, unless the machine has one for its GPU, and pin it: no later step may replace it.

    It is pinned by the version that pip knows. `torch.__version__` has a suffix that PyPI's wheels do not have.
    """
    have = version_of_torch()
    if have and (gpu or TORCH == f'torch=={have.partition("+")[0]}'):
        change(f'1/3 using torch {have}; installing what compiling takes', [*INSTALL, *BUILD_TOOLS], env)
    else:
        if gpu and stack == 'openmmlab':
            check_nvcc(CUDA)
        source = [] if gpu or not cpu_index_answers() else ['--extra-index-url', CPU_INDEX]
        check_room(ROOT, 3 if source else 10, 'the environment')
        if not source and not gpu:
            say("PyTorch's own index, which has a build without CUDA, cannot be reached; taking PyPI's")
        size = 'about 0.3 GB to download' if source else 'about 2.8 GB to download, CUDA libraries included'
        change(f'1/3 installing torch, {size}', [*INSTALL, *source, TORCH, *BUILD_TOOLS], env)
    CONSTRAINTS.write_text(f'torch=={version_of_torch()}\n')
    there = gpu and not for_another_machine()
    if there and output_of(str(PYTHON), '-c', 'import torch; print(torch.cuda.is_available())') != 'True':
        fail(
            f'torch {version_of_torch()} (CUDA {cuda_of_torch()}) does not run on the GPU of this machine; update its '
            'driver, or activate an environment with a PyTorch that does, remove .venv and start again, or ignore the '
            'GPU with MMFMKT_CPU=1'
        )


def version_of_torch() -> str:
    return output_of(str(PYTHON), '-c', 'from importlib.metadata import version; print(version("torch"))')


def cuda_of_torch() -> str:
    """'None' if it is built without."""
    return output_of(str(PYTHON), '-c', 'import torch; print(torch.version.cuda)')


def check(statement: str) -> None:
    """End the set-up if a statement fails in the environment."""
    with LOG.open('w') as log:
        result = subprocess.run([str(PYTHON), '-W', 'ignore', '-c', statement], stdout=log, stderr=subprocess.STDOUT)
    if result.returncode:
        explain(statement, LOG)


if __name__ == '__main__':
    main()
