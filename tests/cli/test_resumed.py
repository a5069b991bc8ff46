"""What `--resume` makes of a config."""

import pytest
import torch
from mmengine.config import Config

from mmfmkt import train
from mmfmkt.cli.preflight import check_agreement, resuming
from mmfmkt.cli.training import set_resumed


def test_a_run_without_a_seed_goes_on_with_the_one_that_it_drew(tmp_path):
    torch.save(dict(state_dict=dict(weight=torch.zeros(1)), meta=dict(seed=7)), tmp_path / 'epoch_1.pth')
    cfg = Config(dict(work_dir=str(tmp_path), load_from='student.pth'))
    assert set_resumed(cfg, 'auto').path == cfg.load_from == str(tmp_path / 'epoch_1.pth')
    assert cfg.resume and cfg.randomness.seed == 7
    cfg = Config(dict(work_dir=str(tmp_path), randomness=dict(seed=3), resume=True))
    set_resumed(cfg, None)
    assert cfg.randomness.seed == 3


def test_a_run_whose_checkpoints_are_in_another_folder_goes_on_from_them(tmp_path):
    folder = tmp_path / 'large' / 'run'
    folder.mkdir(parents=True)
    (tmp_path / 'run').mkdir()
    torch.save(dict(state_dict=dict(weight=torch.zeros(1)), meta=dict(seed=7)), folder / 'epoch_1.pth')
    hooks = dict(checkpoint=dict(type='CheckpointHook', out_dir=str(tmp_path / 'large')))
    cfg = Config(dict(work_dir=str(tmp_path / 'run'), default_hooks=hooks))
    assert set_resumed(cfg, 'auto').path == cfg.load_from == str(folder / 'epoch_1.pth')


def test_the_first_start_with_resume_begins_with_the_weights_of_the_config(tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path), load_from='student.pth'))
    assert set_resumed(cfg, 'auto') is None and cfg.load_from == 'student.pth' and not cfg.resume


@pytest.mark.slow
def test_the_config_that_a_resumed_run_leaves_starts_another_run(student, tmp_path):
    options = {'train_cfg.max_epochs': 1}
    first = train(student, work_dir=tmp_path, cfg_options=options)
    resumed = train(student, work_dir=tmp_path, resume=True)
    assert resumed.checkpoint == tmp_path / 'epoch_2.pth' and first.checkpoint == tmp_path / 'epoch_1.pth'
    left = Config.fromfile(next(tmp_path.glob('*.py')))
    for cfg in (left, resumed.config):
        assert not cfg.get('resume') and cfg.get('load_from') is None


def test_processes_that_go_on_from_different_checkpoints_are_refused(monkeypatch):
    check_agreement(None)
    monkeypatch.setattr(resuming, 'all_gather_object', lambda path: [path, 'epoch_2.pth'])
    with pytest.raises(
        ValueError, match=r"the same checkpoint, but got \['None', 'epoch_2.pth'\]; let the machines share"
    ):
        check_agreement(None)
