"""The set-up: what it finds on a machine, and what it says if something is missing. No test downloads or compiles."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'tools' / 'environment'))

import console  # noqa: E402
import install  # noqa: E402
import machine  # noqa: E402


def program(path, text):
    """A program that stands in for another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    return path


def python_with_torch(folder, version='2.13.0+cu130', gpu=True):
    """A Python whose PyTorch, as PyPI's wheels are, is of one version for pip and of a longer one for itself."""
    packages = folder / 'site-packages'
    metadata = packages / f'torch-{version.partition("+")[0]}.dist-info' / 'METADATA'
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f'Metadata-Version: 2.1\nName: torch\nVersion: {version.partition("+")[0]}\n')
    (packages / 'torch.py').write_text(
        f'import types\n__version__ = {version!r}\ncuda = types.SimpleNamespace(is_available=lambda: {gpu})\n'
    )
    return program(folder / 'bin' / 'python', f'PYTHONPATH={packages} exec {sys.executable} "$@"')


@pytest.fixture
def surroundings(monkeypatch, tmp_path):
    """An empty PATH but for a folder, and no active environment."""
    for name in ('PYTHON', 'VIRTUAL_ENV', 'CONDA_PREFIX', 'CUDA_HOME', 'CUDA_PATH', 'MMFMKT_CPU', 'MMFMKT_CUDA'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('PATH', str(tmp_path / 'path'))
    return tmp_path


MEMORY = 'the compiler had not enough memory; start again with MAX_JOBS=1'


def stops(message):
    return pytest.raises(SystemExit, match=message)


def test_torch_is_pinned_by_the_version_that_pip_knows(monkeypatch, tmp_path):
    monkeypatch.setattr(install, 'PYTHON', python_with_torch(tmp_path))
    assert install.version_of_torch() == '2.13.0'


@pytest.mark.parametrize('variable', ['VIRTUAL_ENV', 'CONDA_PREFIX', 'PYTHON', None])
def test_a_torch_for_the_gpu_is_found_wherever_it_is(monkeypatch, surroundings, variable):
    python = python_with_torch(surroundings / 'theirs')
    if variable:
        monkeypatch.setenv(variable, str(python if variable == 'PYTHON' else python.parents[1]))
    else:
        (surroundings / 'path').mkdir()
        (surroundings / 'path' / 'python3').symlink_to(python)
    found = machine.find_torch(own=surroundings / '.venv')
    assert found and str(python.parents[1] / 'site-packages') in found.folders


@pytest.mark.parametrize('settings', [dict(version='2.3.1'), dict(gpu=False)])
def test_a_torch_that_is_too_old_or_has_no_gpu_is_not_used(monkeypatch, surroundings, settings):
    monkeypatch.setenv('PYTHON', str(python_with_torch(surroundings / 'theirs', **settings)))
    assert machine.find_torch(own=surroundings / '.venv') is None


def test_the_projects_own_environment_is_not_taken_for_the_machines(monkeypatch, surroundings):
    python_with_torch(surroundings / '.venv')
    monkeypatch.setenv('VIRTUAL_ENV', str(surroundings / '.venv'))
    assert machine.find_torch(own=surroundings / '.venv') is None


@pytest.mark.parametrize(
    'release, message',
    [
        (
            '12.8',
            "nvcc must be of the major version of PyTorch's CUDA, 13.0, but .*nvcc is 12.8; install the toolkit of "
            'CUDA 13.0',
        ),
        (None, "compiling MMCV's CUDA operators takes nvcc, which is missing; install the toolkit of CUDA 13.0"),
    ],
)
def test_another_cuda_is_an_error_before_anything_is_compiled(monkeypatch, surroundings, release, message):
    home = surroundings / 'cuda'
    if release:
        program(home / 'bin' / 'nvcc', f'echo "Cuda compilation tools, release {release}, V{release}.61"')
    monkeypatch.setenv('CUDA_HOME', str(home))
    with stops(message):
        machine.check_nvcc('13.0')


def test_another_minor_version_of_cuda_will_do(monkeypatch, surroundings):
    program(surroundings / 'path' / 'nvcc', 'echo "Cuda compilation tools, release 13.2, V13.2.1"')
    machine.check_nvcc('13.0')


@pytest.mark.parametrize(
    'variable, output, expected',
    [(None, 'GPU 0: NVIDIA H100', True), ('1', 'GPU 0: NVIDIA H100', False), (None, 'No devices were found', False)],
)
def test_a_gpu_is_found_unless_it_is_to_be_ignored(monkeypatch, surroundings, variable, output, expected):
    program(surroundings / 'path' / 'nvidia-smi', f'echo "{output}"')
    if variable:
        monkeypatch.setenv('MMFMKT_CPU', variable)
    assert machine.has_gpu() == expected


def test_an_environment_can_be_for_gpus_of_another_machine(monkeypatch, surroundings):
    monkeypatch.setenv('MMFMKT_CUDA', '1')
    monkeypatch.setenv('TORCH_CUDA_ARCH_LIST', '8.0;9.0')
    assert machine.has_gpu() and machine.for_another_machine()
    assert machine.gpu_architectures() == '80_90'
    monkeypatch.setenv('MMFMKT_CPU', '1')
    assert not machine.has_gpu()


def test_gpus_of_another_machine_must_be_named(monkeypatch, surroundings):
    monkeypatch.delenv('TORCH_CUDA_ARCH_LIST', raising=False)
    machine.check_architectures()
    monkeypatch.setenv('MMFMKT_CUDA', '1')
    with stops('MMFMKT_CUDA=1 must come with the compute capabilities .* TORCH_CUDA_ARCH_LIST is not set; set it'):
        machine.check_architectures()
    program(surroundings / 'path' / 'nvidia-smi', 'echo 9.0')
    machine.check_architectures()


def test_another_system_is_refused(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'darwin')
    with stops('the project runs on Linux, but got darwin; use a machine with Linux, a container, or WSL2'):
        machine.check_tools()


def test_a_machine_without_a_compiler_headers_or_libraries_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv('CXX', 'no-such-compiler')
    with stops('a C.. compiler is missing .no-such-compiler.; on Debian and Ubuntu: apt install g..'):
        machine.check_tools()
    monkeypatch.setattr(machine.sysconfig, 'get_path', lambda name: str(tmp_path))
    with stops('the C headers of .* are missing; on Debian and Ubuntu: apt install python3-dev'):
        machine.check_tools()
    monkeypatch.setattr(machine.importlib.util, 'find_spec', lambda name: None if name == 'ensurepip' else name)
    with stops('has no venv module; on Debian and Ubuntu: apt install python3-venv'):
        machine.check_tools()


def test_a_missing_library_of_opencv_is_named(monkeypatch):
    monkeypatch.setattr(machine, 'OPENCV', ('libc.so.6', 'libno-such.so.1'))
    with stops('OpenCV needs libno-such.so.1, which this machine lacks'):
        machine.check_tools()


def test_a_disk_without_room_is_refused(tmp_path):
    machine.check_room(tmp_path, 0, 'the environment')
    with stops('the environment takes about 1e.06 GB, but the disk of .* has .* GB free; free some space'):
        machine.check_room(tmp_path, 1e6, 'the environment')


@pytest.mark.parametrize(
    'output, cause',
    [
        ('ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device', 'the disk is full'),
        (
            "NewConnectionError('Failed to establish a new connection: [Errno -3] Temporary failure in name "
            "resolution')",
            'packages cannot be downloaded',
        ),
        ('c++: fatal error: Killed signal terminated program cc1plus', MEMORY),
        ("nvcc error   : 'cicc' died due to signal 9 (Kill signal)", MEMORY),
        ('OSError: [Errno 12] Cannot allocate memory', MEMORY),
    ],
)
def test_a_command_that_fails_ends_with_its_cause_in_a_line(tmp_path, capsys, output, cause):
    command = [sys.executable, '-c', f'print({output!r}); raise SystemExit(1)']
    with stops(f'setup: 1/3 installing torch failed: {re.escape(cause)}.*setup.log.$'):
        console.follow('1/3 installing torch', command, tmp_path / 'setup.log', dict(os.environ))
    assert output not in ''.join(capsys.readouterr())


def test_a_command_that_fails_for_another_reason_shows_its_end(tmp_path, capsys):
    with stops('setup: 2/3 compiling failed .all of its output: .*setup.log.$'):
        console.follow(
            '2/3 compiling',
            [sys.executable, '-c', 'print("strange"); raise SystemExit(1)'],
            tmp_path / 'setup.log',
            dict(os.environ),
        )
    assert 'strange' in capsys.readouterr().err


def test_progress_is_read_off_what_pip_and_ninja_print():
    progress = console.Progress()
    assert progress.read('  Downloading https://index/torch-2.13.0-cp313-manylinux.whl (526.6 MB)\n')
    assert progress.text == 'downloading torch (526.6 MB)'
    assert not progress.read('Progress 262144 of 1048576\n') and progress.text == 'downloading torch (526.6 MB): 25%'
    assert progress.read('[12/78] c++ -MMD -MF nms.o\n') and progress.text == '12 of 78 files'
    assert progress.read('ordinary\n') and progress.text == '12 of 78 files'
    assert not progress.installing
    assert progress.read('Installing collected packages: torch\n') and progress.installing


@pytest.mark.parametrize('moment', ['while it runs', 'while it starts'])
def test_a_signal_ends_the_command_with_all_that_it_has_started(tmp_path, moment):
    pid = tmp_path / 'pid'
    early = moment == 'while it starts'
    code = (
        f'import sys; sys.path.insert(0, {str(ROOT / "tools/environment")!r})\n'
        'import console, os, signal, subprocess, time\n'
        'from pathlib import Path\n'
        'signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n'
        'class Slow(subprocess.Popen):\n'
        '    def __init__(self, *args, **kwargs):\n'
        '        super().__init__(*args, **kwargs)\n'
        f'        if {early}:\n'
        f'            while not Path("{pid}").exists(): time.sleep(0.02)\n'
        '            os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.1)\n'
        'subprocess.Popen = Slow\n'
        f'console.follow("waiting", ["sh", "-c", "sleep 300 & echo $! >{pid}; wait"], Path("{tmp_path}/log"), '
        'dict(os.environ))'
    )
    with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.DEVNULL) as process:
        while not pid.exists() or not pid.read_text().strip():
            time.sleep(0.05)
        if not early:
            process.send_signal(signal.SIGTERM)
    child = Path('/proc') / pid.read_text().strip()
    for _ in range(100):
        if not child.exists() or 'Z' in (child / 'stat').read_text().split()[2]:
            return
        time.sleep(0.05)
    pytest.fail('the child of the command goes on')


@pytest.mark.parametrize('named', [False, True])
def test_an_unsupported_python_is_refused_in_one_line(tmp_path, named):
    old = program(tmp_path / 'python3', 'case "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac')
    for name in ('dirname', 'bash'):
        (tmp_path / name).symlink_to(shutil.which(name))
    environment = dict(PATH=str(tmp_path), **(dict(PYTHON=str(old)) if named else {}))
    result = subprocess.run(['bash', ROOT / 'tools' / 'setup_env.sh'], env=environment, capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.count('\n') == 1
    assert re.match('setup: Python must be 3.10 to 3.14, but .* is Python 3.9.2', result.stderr)


def test_the_originals_are_refused_where_they_cannot_be_built(monkeypatch):
    monkeypatch.setattr(install, 'version_of', lambda python: (3, 13))
    assert install.default_stack('python') == 'onedl'
    with stops('mmcv 2.1.0, .* cannot be built on Python 3.13 and later, .*; use --stack onedl, or an older Python'):
        install.check_stack('openmmlab', 'python')
    install.check_stack('onedl', 'python')
    monkeypatch.setattr(install, 'version_of', lambda python: (3, 12))
    assert install.default_stack('python') == 'openmmlab'


def test_the_set_up_compiles_what_the_requirements_name():
    lines = (ROOT / 'requirements.txt').read_text()
    assert all(f'\n{requirement}; ' in lines for requirement in install.MMCV.values())
    assert 'setuptools>=77.0.3,<81\n' in lines and 'setuptools>=77.0.3,<81' in install.BUILD_TOOLS


@pytest.mark.parametrize(
    'stack, expected, others',
    [
        ('openmmlab', ['mmcv==2.1.0', 'mmdet==3.3.0', 'mmengine==0.10.7'], 'onedl'),
        ('onedl', ['onedl-mmcv==2.3.6', 'onedl-mmdetection==3.5.1', 'onedl-mmengine==0.10.12'], '\nmm'),
        ('', ['mmcv==2.1.0', 'onedl-mmcv==2.3.6'], None),
    ],
)
def test_one_set_of_packages_is_required_the_chosen_one_or_that_for_the_python(tmp_path, stack, expected, others):
    subprocess.run(
        [sys.executable, 'setup.py', '-q', 'egg_info', '-e', tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env=dict(os.environ, MMFMKT_STACK=stack),
    )
    requires = (tmp_path / 'mmfmkt.egg-info' / 'requires.txt').read_text()
    assert all(requirement in requires for requirement in expected)
    assert others is None or others not in requires.replace('mmrazor', '').partition('[demo]')[0]
    assert bool(stack) or 'python_version >= "3.13"' in requires and 'python_version < "3.13"' in requires
