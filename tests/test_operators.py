"""The compiled operators of MMCV in the set-up: which are taken, and what is changed in what is compiled."""

import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'tools' / 'environment'))

import machine  # noqa: E402
import operators  # noqa: E402


def make_wheel(folder, code):
    """A wheel whose operators are a module of Python."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / 'mmcv-2.1.0-py3-none-any.whl', 'w') as wheel:
        wheel.writestr('mmcv/_ext.py', code)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The cache of wheels; what is compiled can be loaded."""
    (tmp_path / 'torch.py').write_text('')
    monkeypatch.setattr(operators, 'PYTHON', sys.executable)
    monkeypatch.setattr(operators, 'TEMPORARY', tmp_path / 'tmp')
    monkeypatch.setattr(operators, 'CACHE', tmp_path / 'cache')
    monkeypatch.setattr(operators, 'build_mmcv', lambda requirement, folder, *_: make_wheel(folder, 'compiled = True'))
    return tmp_path / 'cache'


def find(path):
    return operators.find_or_build_mmcv('openmmlab', '2.13.0', None, '3.12', dict(PYTHONPATH=str(path.parent)))


def operators_of(wheel):
    return zipfile.ZipFile(wheel).read('mmcv/_ext.py').decode()


def test_operators_that_were_compiled_are_taken_again(cache):
    folder = find(cache).parent
    make_wheel(folder, 'compiled = "before"')
    assert operators_of(find(cache)) == 'compiled = "before"'


@pytest.mark.parametrize('damage', ['cannot be loaded', 'cut short'])
def test_operators_that_cannot_be_loaded_are_compiled_anew(cache, damage):
    wheel = find(cache)
    if damage == 'cut short':
        wheel.write_bytes(wheel.read_bytes()[:20])
    else:
        make_wheel(wheel.parent, 'raise ImportError("undefined symbol")')
    assert operators_of(find(cache)) == 'compiled = True'


@pytest.mark.parametrize('name, other', [('machine', 'aarch64'), ('libc_ver', ('glibc', '2.28'))])
def test_machines_with_a_home_in_common_have_operators_of_their_own(cache, monkeypatch, name, other):
    here = find(cache)
    monkeypatch.setattr(platform, name, lambda: other)
    assert find(cache).parent != here.parent and here.exists()


def test_the_header_that_pytorch_has_renamed_is_included_by_its_new_name(tmp_path):
    code = '#include <{}>\n#include "nms.h"\n'
    files = [tmp_path / name for name in ('ops/nms_cuda.cuh', 'ops/nms.cu', 'bind.cpp')]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text(code.format('THC/THCAtomics.cuh'))
    operators.rename_header(tmp_path)
    assert all(file.read_text() == code.format('ATen/cuda/Atomic.cuh') for file in files)


@pytest.mark.parametrize('folder', ['~/.cache/mmfmkt', '/proc/no/mmfmkt'])
def test_a_cache_that_cannot_be_written_is_told_with_the_variable_that_names_another(monkeypatch, tmp_path, folder):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SystemExit,
        match=f'compiled operators are kept in {folder}, .*; set XDG_CACHE_HOME to a folder that can be written',
    ):
        machine.check_cache(Path(folder))
    assert not list(tmp_path.iterdir())
    machine.check_cache(tmp_path / 'cache' / 'mmfmkt')


def test_a_user_without_a_home_has_no_traceback(tmp_path):
    code = 'import os; os.environ.pop("HOME"); os.getuid = lambda: 4242; import places; print(places.CACHE)'
    result = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT / 'tools' / 'environment',
        env=dict(HOME='/', PATH=''),
        capture_output=True,
        text=True,
    )
    assert result.stdout == '~/.cache/mmfmkt\n', result.stderr
