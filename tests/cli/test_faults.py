"""Accidents, damaged data and malice, with the real tools; the long forms of the first two are commands."""

import pickle
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from commands import ROOT, fail, refused, run, succeed, tool

pytestmark = pytest.mark.slow


class Malice:
    """Writes a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_a_run_that_is_killed_and_damaged_ends_as_if_it_had_been_left_in_peace():
    printed = succeed(run(sys.executable, '-W', 'ignore', ROOT / 'tests/stress/chaos.py', '--kills', 6, '--seed', 2))
    assert '6 disturbances' in printed and ': 0 faults' in printed


def test_damaged_configs_and_data_end_in_success_or_one_message():
    printed = succeed(run(sys.executable, '-W', 'ignore', ROOT / 'tests/stress/fuzz.py', '--cases', 40, '--seed', 3))
    assert re.search(r'^error +\d', printed, re.MULTILINE) and re.search(r'^success +\d', printed, re.MULTILINE)


@pytest.mark.parametrize(
    'tool_name, option',
    [
        ('train.py', '--cfg-options model.teacher_ckpt={file}'),
        ('train.py', '--cfg-options load_from={file}'),
        ('train.py', '--resume {file}'),
        ('test.py', '{file}'),
        ('export_student.py', '{file} {folder}/student.pth'),
        ('export_onnx.py', '{file} {folder}/student.onnx'),
    ],
)
def test_a_checkpoint_that_would_run_code_is_refused_and_not_run(make_config, tmp_path, monkeypatch, tool_name, option):
    file, written = tmp_path / 'malice.pth', tmp_path / 'written'
    torch.save(dict(state_dict=dict(weight=torch.zeros(1)), meta=Malice(written)), file)
    arguments = option.format(file=file, folder=tmp_path).split()
    place = ['--work-dir', tmp_path] if tool_name in ('train.py', 'test.py') else []
    message = refused(monkeypatch, tool_name, make_config('fmkt'), *place, *arguments)
    assert f'{file} could not be read: it is damaged, or it holds objects besides weights' in message
    assert not written.exists()
    pickle.loads(pickle.dumps(Malice(written)))  # it would have
    assert written.exists()


def test_an_image_that_is_damaged_stops_the_training_with_its_name_and_leaves_the_traceback(
    digits, make_config, tmp_path
):
    scenes = tmp_path / 'scenes'
    shutil.copytree(digits, scenes)
    for file in sorted((scenes / 'train').glob('*.jpg'))[1:-1]:  # the first and the last are tried before the training
        file.write_bytes(file.read_bytes()[:100])
    config = make_config('fmkt-theta', f"train_dataloader['dataset']['data_root'] = '{scenes}/'")
    message = fail(tool('train.py', config, '--work-dir', tmp_path / 'run'))
    assert f'SampleError: {scenes}/train/' in message and 'must be a readable image' in message
    (traceback,) = (tmp_path / 'run').rglob('traceback_0.txt')
    assert str(traceback) in message and 'Traceback' in traceback.read_text()
