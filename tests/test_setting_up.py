"""The set-up from its start to its end, with stand-ins for pip, venv and the compiler. It begins again as it must."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'tools' / 'environment'))

import install  # noqa: E402
from machine import Torch  # noqa: E402


class SetUp:
    """A set-up of a project in a folder; its environment is a folder too.

    Attributes:
        made: how often the environment has been made.
        commands: what pip was told since the last start.
        fails: a part of the name of a step that fails, and whether pip has begun to install then.
    """

    def __init__(self, root, monkeypatch):
        self.venv, self.monkeypatch = root / '.venv', monkeypatch
        self.packages = self.venv / 'lib' / f'python3.{sys.version_info[1]}' / 'site-packages'
        self.made, self.commands, self.fails = 0, [], ('', False)
        (root / 'requirements.txt').write_text('mmdet\n')
        (root / 'setup.py').write_text('')
        python = self.venv / 'bin' / 'python'
        self.replace(ROOT=root, VENV=self.venv, PYTHON=python, PIP=[str(python), '-c', 'print()'])
        self.replace(UNFINISHED=self.venv / 'unfinished', CONSTRAINTS=self.venv / 'torch.txt')
        self.replace(PLACE=self.venv / 'place.txt', LOG=self.venv / 'setup.log', TEMPORARY=self.venv / 'tmp')
        self.replace(make_environment=self.make, follow=self.follow, find_or_build_mmcv=self.find_or_build)
        self.replace(check=lambda *_: None, default_stack=lambda python: 'openmmlab', check_stack=lambda *_: None)
        for name in ('check_tools', 'check_cache', 'check_room', 'check_architectures', 'check_nvcc'):
            self.replace(**{name: lambda *_: None})
        self.replace(has_gpu=lambda: False, find_torch=lambda own: None, cpu_index_answers=lambda: True)
        self.replace(version_of=lambda python: sys.version_info[:2])

    def replace(self, **names):
        for name, value in names.items():
            self.monkeypatch.setattr(install, name, value)

    def make(self, python, folders):
        self.made += 1
        shutil.rmtree(self.venv, ignore_errors=True)
        self.packages.mkdir(parents=True)
        program = self.venv / 'bin' / 'python'
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nPYTHONPATH={self.packages} exec {sys.executable} -S "$@"\n')
        program.chmod(0o755)
        if folders:
            (self.packages / install.OF_THE_MACHINE).write_text(install.path_file(folders))
            self.put('torch', '2.9.0')

    def put(self, name, version):
        for other in self.packages.glob(f'{name}-*'):
            shutil.rmtree(other)
        metadata = self.packages / f'{name}-{version}.dist-info' / 'METADATA'
        metadata.parent.mkdir()
        metadata.write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')

    def follow(self, what, command, log, env, progress):
        self.commands.append(command)
        step, progress.installing = self.fails
        if step and step in what:
            sys.exit(f'setup: {what} failed')
        if 'installing torch' in what:
            self.put('torch', '2.13.0')
        if 'installing mmcv' in what:
            self.put('mmcv', '2.1.0')

    def find_or_build(self, stack, torch, *_):
        return Path(f'/cache/mmcv-for-{torch}.whl')

    def start(self, stack=None):
        self.commands = []
        install.install(stack)

    def stops(self, message):
        with pytest.raises(SystemExit, match=message):
            self.start()


@pytest.fixture
def set_up(monkeypatch, tmp_path):
    for name in ('PYTHON', 'VIRTUAL_ENV', 'CONDA_PREFIX', 'MMFMKT_CPU', 'MMFMKT_CUDA'):
        monkeypatch.delenv(name, raising=False)
    return SetUp(tmp_path, monkeypatch)


def test_a_second_start_does_nothing(set_up):
    set_up.start()
    assert set_up.made == 1 and set_up.commands
    set_up.start()
    assert set_up.made == 1 and not set_up.commands


def test_downloads_that_fail_leave_an_environment_that_works(set_up):
    set_up.start()
    (set_up.venv.parent / 'requirements.txt').write_text('mmdet==3.3.0\n')
    set_up.fails = ('3/3 installing mmengine', False)
    set_up.stops('3/3 installing mmengine, .* failed')
    set_up.stops('3/3 installing mmengine, .* failed')
    set_up.fails = ('', False)
    set_up.start()
    assert set_up.made == 1


def test_an_installation_that_was_interrupted_is_made_anew(set_up):
    set_up.start()
    (set_up.venv.parent / 'requirements.txt').write_text('mmdet==3.3.0\n')
    set_up.fails = ('3/3 installing mmengine', True)
    set_up.stops('3/3 installing mmengine, .* failed')
    (set_up.venv.parent / 'requirements.txt').write_text('mmdet\n')  # what was there when all was well
    set_up.fails = ('', False)
    set_up.start()
    assert set_up.made == 2


@pytest.mark.parametrize('lost', ['place', 'python', 'torch'])
def test_an_environment_of_another_folder_or_without_python_or_torch_is_made_anew(set_up, lost):
    set_up.start()
    if lost == 'place':  # as the environment of a folder that was copied
        (set_up.venv / 'place.txt').write_text('/the/original')
    elif lost == 'python':
        (set_up.venv / 'bin' / 'python').unlink()
        (set_up.venv / 'bin' / 'python').symlink_to(set_up.venv / 'no-such-python')
    else:
        shutil.rmtree(set_up.packages / 'torch-2.13.0.dist-info')
    set_up.start()
    assert set_up.made == 2 and (set_up.venv / 'place.txt').read_text() == str(set_up.venv.parent)
    set_up.start()
    assert set_up.made == 2 and not set_up.commands


def test_operators_for_another_torch_are_replaced_though_their_version_is_the_same(set_up):
    set_up.start()
    set_up.put('torch', '2.13.0+cpu')  # of another build
    set_up.start()
    assert set_up.made == 1
    (command,) = (command for command in set_up.commands if '/cache/mmcv-for-2.13.0+cpu.whl' in command)
    assert '--force-reinstall' in command and '--no-deps' in command


def test_nvcc_is_looked_for_before_anything_is_made(set_up):
    set_up.replace(has_gpu=lambda: True, check_nvcc=lambda cuda: sys.exit('setup: nvcc is missing'))
    set_up.stops('nvcc is missing')
    assert not set_up.venv.exists()


@pytest.mark.parametrize('ignored', [False, True])
def test_a_machine_without_a_gpu_is_told_that_all_is_for_cpus_unless_that_is_wanted(
    set_up, monkeypatch, capsys, ignored
):
    if ignored:
        monkeypatch.setenv('MMFMKT_CPU', '1')
    set_up.start()
    assert ('no NVIDIA GPU is found, so everything is installed for CPUs' in capsys.readouterr().out) != ignored


@pytest.mark.parametrize('stack', ['openmmlab', 'onedl'])
@pytest.mark.parametrize('gpus, older', [('6.1;7.0+PTX', '6.1, 7.0'), ('7.5;9.0a 12.0', None)])
def test_gpus_that_the_installed_cuda_does_not_know_are_refused_before_anything_is_made(
    set_up, monkeypatch, stack, gpus, older
):
    set_up.replace(has_gpu=lambda: True, for_another_machine=lambda: True, default_stack=lambda python: stack)
    monkeypatch.setenv('TORCH_CUDA_ARCH_LIST', gpus)
    if older:
        set_up.stops(f'capability 7.5 or later, but got {older}; activate an environment with a PyTorch for CUDA 12.6')
    else:
        set_up.start()
    assert set_up.venv.exists() == (older is None)
    set_up.replace(find_torch=lambda own: Torch(sys.executable, ('/their/site-packages',)))
    set_up.start()


def test_a_torch_that_is_activated_after_a_failure_is_taken(set_up):
    set_up.replace(has_gpu=lambda: True, find_torch=lambda own: Torch(sys.executable, ('/first/site-packages',)))
    set_up.replace(for_another_machine=lambda: True, find_or_build_mmcv=lambda *_: sys.exit('setup: nvcc is 12.8'))
    set_up.stops('nvcc is 12.8')
    set_up.stops('nvcc is 12.8')
    assert set_up.made == 1
    set_up.replace(find_torch=lambda own: Torch(sys.executable, ('/second/site-packages',)))
    set_up.replace(find_or_build_mmcv=set_up.find_or_build)
    set_up.start()
    assert set_up.made == 2 and '/second/' in (set_up.packages / install.OF_THE_MACHINE).read_text()
    set_up.replace(find_torch=lambda own: None)  # it is not active any more
    set_up.start()
    assert set_up.made == 2 and not set_up.commands


def test_packages_of_another_python_and_versions_of_the_machine_stay_out(set_up, monkeypatch, tmp_path):
    set_up.start()
    (tmp_path / 'theirs').mkdir()
    shutil.move(set_up.packages / 'torch-2.13.0.dist-info', tmp_path / 'theirs')
    (set_up.venv / 'bin' / 'python').write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path / 'theirs'))
    monkeypatch.setenv('PIP_USER', '1')
    monkeypatch.setenv('PIP_CONSTRAINT', '/etc/pip/constraint.txt')  # as containers of NVIDIA do
    assert install.version_of_torch() == ''
    env = install.environment('openmmlab')
    assert not {'PYTHONPATH', 'PIP_CONSTRAINT'} & env.keys() and env['PIP_USER'] == '0' and os.environ['PYTHONPATH']


def test_what_cannot_be_imported_is_said_with_the_operators_that_were_compiled(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(install, 'LOG', tmp_path / 'setup.log')
    monkeypatch.setattr(install, 'PYTHON', sys.executable)
    with pytest.raises(SystemExit, match='import no_such failed; to install all anew, remove .*: /cache/mmcv.whl'):
        install.check('import no_such', Path('/cache/mmcv.whl'))
    assert 'ModuleNotFoundError' in capsys.readouterr().err


def test_a_python_is_named_from_the_folder_of_the_user(tmp_path):
    (tmp_path / 'their').mkdir()
    (tmp_path / 'their' / 'python').write_text('#!/bin/sh\n[ "$1" = -c ] || echo "started: $0 $1"\n')
    (tmp_path / 'their' / 'python').chmod(0o755)
    result = subprocess.run(
        ['bash', ROOT / 'tools' / 'setup_env.sh'],
        cwd=tmp_path,
        env=dict(os.environ, PYTHON='their/python'),
        capture_output=True,
        text=True,
    )
    assert result.stdout == f'started: {tmp_path}/their/python tools/environment/install.py\n', result.stderr


def test_the_page_on_installing_has_the_versions_that_are_installed():
    page, torch = (ROOT / 'docs' / 'install.md').read_text(), install.TORCH.partition('==')[2]
    for name, version in re.findall(r'^([\w-]+)==([\d.]+)', (ROOT / 'requirements.txt').read_text(), re.MULTILINE):
        assert f'| `{name}` {version} |' in page, name
    assert f'tested with {torch} |' in page and f'torch=={torch} ' in page
    assert f'torchvision==0.{int(torch.split(".")[1]) + 15}.0 torch=={torch}\n' in page
    assert f'it installs one for CUDA {install.CUDA.partition(".")[0]}.' in page
