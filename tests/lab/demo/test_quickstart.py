"""The main job on a few scenes, with the command of the README."""

import json

import pytest
import torch
from commands import succeed, tool
from mmengine.config import Config

from mmfmkt.lab.demo.quickstart import FULL, SMOKE, has_images
from mmfmkt.lab.study.data import CocoFolder


def test_images_are_made_anew_if_there_are_more_or_fewer(digits):
    assert has_images(CocoFolder(digits), 'train', 24) and not has_images(CocoFolder(digits), 'train', FULL.num_train)
    assert not has_images(CocoFolder(digits / 'nowhere'), 'val', SMOKE.num_val)


@pytest.mark.slow
def test_one_command_makes_table_pictures_and_students(digits, tmp_path):
    printed = succeed(tool('quickstart.py', '--smoke', '--data', digits, '--out', tmp_path))
    for title in ('teacher (R34)', 'plain student (R18)', 'PKD', 'FM-KT', 'FM-KT^Θ', 'FM-KT, bypassed at inference'):
        assert f'| {title} ' in printed
    assert '100%' in printed and 'smoke version' in printed
    for name in (
        'report.md',
        'results.html',
        'detections.png',
        'flow_fmkt/errors.png',
        'flow_fmkt-theta/detections.png',
    ):
        assert (tmp_path / name).stat().st_size > 1000
    trained = Config.fromfile(tmp_path / 'configs' / 'fmkt-theta_seed0.py').train_dataloader.dataset
    assert (trained.type, trained.times) == ('RepeatDataset', 3)  # 24 images, for 80
    rows = [json.loads(line) for line in (tmp_path / 'results.jsonl').read_text().splitlines()]
    assert {row['run']: row['seed'] for row in rows} == {
        'teacher': 0,
        'student': 0,
        'pkd': 0,
        'fmkt': 0,
        'fmkt-theta': 0,
    }
    keys = {
        name: set(torch.load(tmp_path / f'{name}_seed0_student.pth', weights_only=False)['state_dict'])
        for name in ('fmkt', 'fmkt-theta')
    }
    assert {key.replace('neck.neck.', 'neck.') for key in keys['fmkt'] if 'neck.flow.' not in key} == keys['fmkt-theta']
