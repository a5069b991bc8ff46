import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmrazor.registry import MODELS

from mmfmkt import compat
from mmfmkt.common.config_files import read_config, read_detector_config


def test_mmrazor_imports_and_the_recursion_limit_stays():
    code = (
        'import sys; before = sys.getrecursionlimit(); import mmfmkt, mmrazor.models; '
        'assert sys.getrecursionlimit() == before'
    )
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)


def test_a_runners_history_is_read_with_weights_only(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    torch.save(dict(message_hub=history), tmp_path / 'checkpoint.pth')
    loaded = torch.load(tmp_path / 'checkpoint.pth', weights_only=True)['message_hub']
    assert loaded.mean() == 1.5


class WritesAFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_nothing(tmp_path):
    torch.save(dict(state_dict=WritesAFile(tmp_path / 'harm')), tmp_path / 'checkpoint.pth')
    with pytest.raises(Exception, match='Weights only load failed'):
        torch.load(tmp_path / 'checkpoint.pth', weights_only=True)
    assert not (tmp_path / 'harm').exists()


def test_a_history_of_the_other_numpy_is_read(tmp_path):
    """NumPy 2 has renamed a module that pickles of arrays name."""
    torch.save(dict(array=np.arange(3.0), scalar=np.float64(2)), tmp_path / 'this.pth')
    old, new = b'cnumpy.core.multiarray\n', b'cnumpy._core.multiarray\n'
    other = {old: new, new: old}
    rewrite(
        tmp_path / 'this.pth',
        tmp_path / 'other.pth',
        lambda content: re.sub(old + b'|' + new, lambda name: other[name[0]], content),
    )
    loaded = torch.load(tmp_path / 'other.pth', weights_only=True)
    assert loaded['array'].tolist() == [0, 1, 2] and loaded['scalar'] == 2


def rewrite(file, other, change):
    """Copy a checkpoint, with another pickle."""
    with zipfile.ZipFile(file) as before, zipfile.ZipFile(other, 'w') as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, change(content) if name.endswith('data.pkl') else content)


def unicode(text):
    return b'X' + struct.pack('<I', len(text)) + text.encode()


def attribute(of, name):
    return b'cbuiltins\ngetattr\n' + of + unicode(name) + b'\x86R'


ATTRIBUTES = dict(
    globals_of_a_function=attribute(b'ctorch._utils\n_rebuild_tensor_v2\n', '__globals__'),
    module_of_builtins=attribute(b'cbuiltins\ngetattr\n', '__self__'),
    other_attributes_of_a_history=attribute(b'cmmengine.logging.history_buffer\nHistoryBuffer\n', '__init__'),
)


@pytest.mark.parametrize('name', ATTRIBUTES)
def test_a_checkpoint_cannot_look_up_what_leads_to_code(tmp_path, name):
    torch.save(dict(state_dict={}), tmp_path / 'base.pth')
    rewrite(tmp_path / 'base.pth', tmp_path / 'evil.pth', lambda _: b'\x80\x02' + ATTRIBUTES[name] + b'.')
    with pytest.raises(Exception, match='only methods of a HistoryBuffer may be looked up'):
        torch.load(tmp_path / 'evil.pth', weights_only=True)


def test_what_others_load_is_left_to_them(tmp_path):
    torch.save(dict(config=Path('somewhere')), tmp_path / 'own.pth')
    assert torch.load(tmp_path / 'own.pth', weights_only=False) == dict(config=Path('somewhere'))
    with pytest.raises(Exception, match='Weights only load failed'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'own.pth'))
    assert torch.load(tmp_path / 'own.pth', weights_only=False) == dict(config=Path('somewhere'))


def test_operators_that_cannot_be_loaded_are_told_with_the_remedy():
    code = "import sys; sys.modules['mmcv._ext'] = None; import mmfmkt"
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True)
    assert "MMCV's operators must be compiled for PyTorch" in result.stderr.splitlines()[-1]
    assert 'MMCV_WITH_OPS=1 pip install --no-cache-dir' in result.stderr.splitlines()[-1]


@pytest.mark.parametrize('trust, loads', [({}, False), (dict(TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD='1'), True)])
def test_a_file_with_objects_is_read_only_if_the_user_says_so(tmp_path, trust, loads):
    torch.save(dict(state_dict={}, config=Path('somewhere')), tmp_path / 'old.pth')
    code = (
        'import mmfmkt; from mmengine.runner import CheckpointLoader; '
        f'CheckpointLoader.load_checkpoint({str(tmp_path / "old.pth")!r})'
    )
    environment = {key: value for key, value in os.environ.items() if 'WEIGHTS_ONLY' not in key}
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], env={**environment, **trust}, capture_output=True, text=True
    )
    assert (result.returncode == 0) == loads and ('Weights only load failed' in result.stderr) != loads


def based_on(config, folder):
    (folder / 'based.py').write_text(f'_base_ = {config!r}\n')
    return str(folder / 'based.py')


ENTRANCES = dict(
    student=lambda config, folder: read_config(config, 'the student'),
    teacher=lambda config, folder: read_detector_config(config),
    base_of_the_student=lambda config, folder: read_config(based_on(config, folder), 'the student'),
    base_of_the_teacher=lambda config, folder: read_detector_config(based_on(config, folder)),
    cfg_path_of_mmrazor=lambda config, folder: MODELS.build(dict(cfg_path=config)),
)


@pytest.mark.parametrize('package', ['mmyolo', 'mmseg', 'no_such_package'])
@pytest.mark.parametrize('entrance', ENTRANCES)
def test_a_config_of_a_package_that_is_not_there_installs_nothing(tmp_path, monkeypatch, entrance, package):
    (tmp_path / 'pip').mkdir()  # in place of the real one, it writes down that it was called
    (tmp_path / 'pip' / '__init__.py').touch()
    (tmp_path / 'pip' / '__main__.py').write_text(f'open({str(tmp_path / "called")!r}, "w")\n')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    subprocess.run([sys.executable, '-m', 'pip'], check=True)
    (tmp_path / 'called').unlink()
    with pytest.raises(Exception, match=package):
        ENTRANCES[entrance](f'{package}::retinanet/retinanet_r50_fpn_1x_coco.py', tmp_path)
    assert not (tmp_path / 'called').exists()


def test_the_forks_loader_leaves_what_is_allowed():
    """It allows a list for each file and forbids it afterwards; emptied, it takes nothing away."""
    from mmengine.runner import checkpoint
    from torch.serialization import get_safe_globals, safe_globals

    allowed = getattr(checkpoint, 'get_torch_safe_globals', list)()
    before = get_safe_globals()
    with safe_globals(allowed):
        pass
    assert HistoryBuffer in get_safe_globals() == before


def test_originals_beside_forks_are_refused(monkeypatch):
    installed = {'mmcv', 'mmdet', 'onedl-mmcv'}
    monkeypatch.setattr(compat, 'is_installed', installed.__contains__)
    with pytest.raises(
        ImportError, match='must not be mixed, but mmcv, mmdet and onedl-mmcv are installed; .*setup_env.sh --stack'
    ):
        compat.check_stack()
    for whole in ({'mmcv', 'mmdet', 'mmengine'}, {'onedl-mmcv', 'onedl-mmdetection', 'onedl-mmengine'}):
        monkeypatch.setattr(compat, 'is_installed', whole.__contains__)
        compat.check_stack()


def test_mmrazor_imports_beside_a_later_mmcv_which_keeps_its_version():
    code = "import mmcv, mmdet; mmcv.__version__ = '9.9.9'; import mmfmkt, mmrazor; assert mmcv.__version__ == '9.9.9'"
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)
