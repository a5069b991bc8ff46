import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import FlexibleRunner, Runner
from mmrazor.registry import MODELS

from mmfmkt.engine.hooks.checkpoint_files_hook import plain
from mmfmkt.engine.hooks.checkpoint_hooks import SplitDistillerHook


def test_student_distiller_and_ema_survive_saving_and_resuming(make_runner, tmp_path):
    make_runner(3, 'whole').train()
    make_runner(2, 'parts').train()
    make_runner(3, 'parts', resume=True, load_from=str(tmp_path / 'parts' / 'epoch_2.pth')).train()
    whole, parts = (torch.load(tmp_path / folder / 'epoch_3.pth') for folder in ('whole', 'parts'))
    for part in ('state_dict', 'distiller', 'ema_state_dict'):
        assert whole[part].keys() == parts[part].keys() and len(whole[part]) > 0
        for key, value in whole[part].items():
            assert torch.equal(value, parts[part][key]), (part, key)


def test_state_dict_is_the_students_alone_and_nothing_is_the_teachers(make_runner, tmp_path):
    make_runner(1, 'run').train()
    checkpoint = torch.load(tmp_path / 'run' / 'epoch_1.pth')
    assert not any('distiller' in key for key in checkpoint['state_dict'])
    assert all(key.startswith('distiller.') for key in checkpoint['distiller'])
    assert not any(
        'teacher' in key for part in ('state_dict', 'distiller', 'ema_state_dict') for key in checkpoint[part]
    )


def test_a_training_checkpoint_is_read_without_this_project_and_weights_only(make_runner, tmp_path):
    """As stock mmdet reads it on torch >= 2.6."""
    make_runner(2, 'run').train()
    code = (
        f"import sys, torch; sys.modules['mmengine'] = sys.modules['numpy'] = None; "
        f'torch.load({str(tmp_path / "run" / "epoch_2.pth")!r}, weights_only=True)'
    )
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)


def test_the_logs_of_a_resumed_run_go_on_where_they_were(make_runner, tmp_path):
    make_runner(2, 'run').train()
    logs = torch.load(tmp_path / 'run' / 'epoch_2.pth')['message_hub']['log_scalars']
    runner = make_runner(3, 'run', resume=True, load_from=str(tmp_path / 'run' / 'epoch_2.pth'))
    runner.train()
    history = runner.message_hub.get_scalar('train/loss')
    assert len(logs['train/loss']['log_history']) == 2 and len(history.data[0]) == 3
    assert history.data[0][:2].tolist() == logs['train/loss']['log_history']


def test_a_validation_changes_neither_the_weights_nor_their_average(make_runner, validated, tmp_path):
    """They are swapped for it, and swapped back."""
    make_runner(3, 'without').train()
    runner = validated(make_runner(3, 'with'))
    runner.train()
    assert runner.message_hub.get_scalar('val/toy/scores').data[0].size == 3
    without, found = (torch.load(tmp_path / folder / 'epoch_3.pth') for folder in ('without', 'with'))
    for part in ('state_dict', 'distiller', 'ema_state_dict'):
        assert all(torch.equal(value, found[part][key]) for key, value in without[part].items())
    for key, value in runner.model.state_dict().items():  # MMEngine saves the average in the place of the live weights
        assert torch.equal(value, found['ema_state_dict'][f'module.{key}']), key


@pytest.mark.parametrize('kind', [Runner, FlexibleRunner])
@pytest.mark.parametrize(
    'train_cfg, interval, written',
    [
        (dict(by_epoch=True, max_epochs=1), 1, ('epoch_1.pth', 1)),
        (dict(by_epoch=False, max_iters=2, val_interval=2), 2, ('iter_2.pth', 0)),
    ],
)
def test_a_checkpoint_that_is_written_again_with_a_new_best_says_where_the_run_is(
    make_runner, validated, tmp_path, kind, train_cfg, interval, written
):
    saving = dict(type='CheckpointHook', interval=interval, by_epoch=train_cfg['by_epoch'], save_best='toy/scores')
    validated(
        make_runner(
            1,
            'run',
            repeat=2,
            kind=kind,
            train_cfg=train_cfg,
            custom_hooks=[dict(type='mmrazor.CheckpointFilesHook')],
            default_hooks=dict(checkpoint=dict(saving, rule='greater')),
        )
    ).train()
    last = torch.load(tmp_path / 'run' / written[0])
    assert 'best_score' in last['message_hub']['runtime_info']  # it was written again
    assert (last['meta']['epoch'], last['meta']['iter']) == (written[1], 2)


def test_numbers_of_numpy_become_those_of_python():
    found = plain(dict(a=np.float64(0.5), b=[np.int64(2), (np.array([1, 2]), 'x', None)], c=HistoryBuffer([1.0], [2])))
    assert found == dict(a=0.5, b=[2, ([1, 2], 'x', None)], c=dict(log_history=[1.0], count_history=[2]))
    assert type(found['a']) is float and type(found['b'][0]) is int


@pytest.mark.parametrize('shared', [False, True])
def test_a_checkpoint_names_the_levels_of_the_flow_that_the_detector_has(fmkt, shared):
    fmkt.architecture.neck.flow.update(levels=(0, 2), shared=shared)
    model = MODELS.build(fmkt)
    checkpoint = dict(state_dict=model.state_dict(), meta={})
    SplitDistillerHook().before_save_checkpoint(SimpleNamespace(cfg={}, model=model), checkpoint)
    assert checkpoint['meta'] == dict(flow_levels=[0, 2])


def test_a_checkpoint_of_a_plain_detector_names_no_levels(theta):
    model = MODELS.build(theta)
    checkpoint = dict(state_dict=model.state_dict(), meta={})
    SplitDistillerHook().before_save_checkpoint(SimpleNamespace(cfg={}, model=model), checkpoint)
    assert checkpoint['meta'] == {}
