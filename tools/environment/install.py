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

from console import Progress, explain, fail, follow, say
from machine import (
    CPU_INDEX,
    check_architectures,
    check_cache,
    check_capabilities,
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
from places import CACHE, LOG, PIP, PYTHON, ROOT, TEMPORARY, VENV

UNFINISHED, CONSTRAINTS, PLACE = VENV / 'unfinished', VENV / 'torch.txt', VENV / 'place.txt'
OF_THE_MACHINE = 'torch_of_the_machine.pth'  # its text is the folders of a PyTorch that is not in .venv
INSTALLED = dict(openmmlab='mmcv-*.dist-info', onedl='onedl_mmcv-*.dist-info')  # how to tell which of them there is
TORCH = 'torch==2.13.0'  # the one that the project is tested with
CUDA = '13.0'  # what PyPI's wheel of it is built for
CAPABILITY = 7.5  # of the oldest GPUs that this CUDA knows
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
    there = installed_stack()
    anew = is_broken() or not right_python() or stack not in (None, there or stack)
    if there and not anew and stamp().exists():
        return
    check_tools()
    check_cache(CACHE)
    gpu = has_gpu()
    if gpu:
        check_architectures()
    elif not os.environ.get('MMFMKT_CPU'):
        say(
            'no NVIDIA GPU is found, so everything is installed for CPUs; if you are to train on the GPUs of another '
            'machine, as a node of a cluster, see docs/install.md, "With an NVIDIA GPU"'
        )
    torch = find_torch(VENV) if gpu and (anew or not there) else None
    anew = anew or torch is not None and not uses(torch.folders)  # nothing has been compiled for that in .venv
    base = str(PYTHON) if not anew else torch.python if torch else sys.executable
    stack = stack or (there if has_packages_of(base) else None) or default_stack(base)
    check_stack(stack, base)
    if anew:
        if gpu and not torch:
            check_capabilities(CUDA, CAPABILITY)
            if stack == 'openmmlab':
                check_nvcc(CUDA)
        check_room(ROOT, 3, 'the environment')
        make_environment(base, torch.folders if torch else ())
    PLACE.write_text(str(ROOT))
    shutil.rmtree(TEMPORARY, ignore_errors=True)
    TEMPORARY.mkdir()
    env = environment(stack)
    if not output_of(*PIP, '--version', env=env):
        change('installing pip', [str(PYTHON), '-m', 'ensurepip'], env)
    change('preparing pip', [*PIP, 'install', 'pip>=25'], env)
    install_torch(gpu, env)
    python = '.'.join(map(str, version_of(str(PYTHON))))
    wheel = find_or_build_mmcv(stack, version_of_torch(), cuda_of_torch() if gpu else None, python, env)
    # one of the same version may be there, compiled for another PyTorch
    change('3/3 installing mmcv', [*INSTALL, '--force-reinstall', '--no-deps', str(wheel)], env)
    change(
        '3/3 installing mmengine, mmdet, mmrazor and mmfmkt',
        [*INSTALL, '-c', str(CONSTRAINTS), '--no-build-isolation', '-e', '.[demo,tests]'],
        env,
    )
    check('import mmfmkt, mmcv.ops', wheel)
    shutil.rmtree(TEMPORARY)
    stamp().touch()
    say('done')


def change(what: str, command: list[str], env: dict[str, str]) -> None:
    """Run pip; if it does not end well after it has begun to install, the next set-up makes everything anew.

    What fails before, as a download, leaves the environment as it is.
    """
    progress = Progress()
    UNFINISHED.touch()
    try:
        follow(what, command, LOG, env, progress)
    except BaseException:
        if not progress.installing:
            UNFINISHED.unlink()
        raise
    for file in VENV.glob('installed-*'):
        file.unlink()
    UNFINISHED.unlink()


def stamp() -> Path:
    """The file that says that all is installed; its name has all that this depends on."""
    files = [ROOT / 'requirements.txt', ROOT / 'setup.py', *sorted(Path(__file__).parent.glob('*.py'))]
    content = version_of_torch().encode() + b''.join(file.read_bytes() for file in files)
    return VENV / f'installed-{hashlib.sha256(content).hexdigest()[:12]}'


def is_broken() -> bool:
    """Is there no environment, or none that can be mended?

    That is one without PyTorch, as after its Python was removed or replaced; one that was made in another folder, which
    its programs name; and one in which pip was interrupted.
    """
    moved = PLACE.exists() and PLACE.read_text() != str(ROOT)
    return moved or UNFINISHED.exists() or not version_of_torch()


def installed_stack() -> str | None:
    """Which of the two sets of packages is in the environment."""
    return next(
        (stack for stack, pattern in INSTALLED.items() if any(VENV.glob(f'lib/python3*/site-packages/{pattern}'))), None
    )


def right_python() -> bool:
    """Is the environment of the Python that the user has named, if any?"""
    return not os.environ.get('PYTHON') or has_packages_of(sys.executable)


def has_packages_of(python: str) -> bool:
    """Is the environment of the version of a Python?"""
    return (VENV / 'lib' / f'python{".".join(map(str, version_of(python)))}').exists()


def uses(folders: Sequence[str]) -> bool:
    """Does the environment use the PyTorch of the machine that is in some folders?"""
    files = VENV.glob(f'lib/python3*/site-packages/{OF_THE_MACHINE}')
    return any(file.read_text() == path_file(folders) for file in files)


def path_file(folders: Sequence[str]) -> str:
    """The text of a file that lets Python import what is in some folders; they come last on the path."""
    return ''.join(f'import site; site.addsitedir({folder!r})\n' for folder in folders)


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
    if folders:
        (packages / OF_THE_MACHINE).write_text(path_file(folders))


def environment(stack: str) -> dict[str, str]:
    """For the commands of the set-up. Temporary files are large, and /tmp often has little room."""
    return {
        **variables(),
        'PATH': f'{VENV}/bin{os.pathsep}{os.environ["PATH"]}',
        'VIRTUAL_ENV': str(VENV),
        'TMPDIR': str(TEMPORARY),
        'MMFMKT_STACK': stack,
        'PIP_DISABLE_PIP_VERSION_CHECK': '1',
        'PIP_USER': '0',
    }


def variables() -> dict[str, str]:
    """Environment variables without those by which a machine adds packages to all environments, or fixes versions."""
    return {name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'PIP_CONSTRAINT')}


def install_torch(gpu: bool, env: dict[str, str]) -> None:
    """Install PyTorch, unless the machine has one for its GPU, and pin it: no later step may replace it.

    It is pinned by the version that pip knows. `torch.__version__` has a suffix that PyPI's wheels do not have.
    """
    have = version_of_torch()
    if have and (gpu or TORCH == f'torch=={have.partition("+")[0]}'):
        change(f'1/3 using torch {have}; installing what compiling takes', [*INSTALL, *BUILD_TOOLS], env)
    else:
        source = [] if gpu or not cpu_index_answers() else ['--extra-index-url', CPU_INDEX]
        check_room(ROOT, 3 if source else 10, 'the environment')
        if not source and not gpu:
            say("PyTorch's own index, which has a build without CUDA, cannot be reached; taking PyPI's")
        size = 'about 0.3 GB to download' if source else 'about 2.8 GB to download, CUDA libraries included'
        change(f'1/3 installing torch, {size}', [*INSTALL, *source, TORCH, *BUILD_TOOLS], env)
    CONSTRAINTS.write_text(f'torch=={version_of_torch()}\n')
    there = gpu and not for_another_machine()
    if there and answer('import torch; print(torch.cuda.is_available())') != 'True':
        fail(
            f'torch {version_of_torch()} (CUDA {cuda_of_torch()}) does not run on the GPU of this machine; update its '
            'driver, or activate an environment with a PyTorch that does, remove .venv and start again, or ignore the '
            'GPU with MMFMKT_CPU=1'
        )


def version_of_torch() -> str:
    return answer('from importlib.metadata import version; print(version("torch"))')


def cuda_of_torch() -> str:
    """'None' if it is built without."""
    return answer('import torch; print(torch.version.cuda)')


def answer(code: str) -> str:
    """What code prints in the environment; nothing if it fails."""
    return output_of(str(PYTHON), '-c', code, env=variables())


def check(statement: str, wheel: Path) -> None:
    """End the set-up if a statement fails in the environment, which has the operators of a wheel."""
    with LOG.open('w') as log:
        command = [str(PYTHON), '-W', 'ignore', '-c', statement]
        result = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=variables())
    if result.returncode:
        explain(statement, LOG, f'to install all anew, remove {VENV}, and the operators that were compiled: {wheel}')


if __name__ == '__main__':
    main()
