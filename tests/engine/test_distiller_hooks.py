import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import Dataset

from mmfmkt.engine.distiller_hooks import add_distiller_hooks


class Images(Dataset):
    """The samples of the fixture `batch`, as a loader gives them to a runner."""
    metainfo = dict(classes=tuple('0123456789'))

    def __init__(self, images, samples):
        self.images, self.samples = (images * 50 + 127).clamp(0, 255).to(torch.uint8), samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return dict(inputs=self.images[index], data_samples=copy.deepcopy(self.samples[index]))


@pytest.fixture
def make_runner(theta, batch, tmp_path):
    """A runner of FM-KT^Θ with EMA: (epochs, folder, more options)."""

    def make(epochs, folder, **options):
        loader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                      collate_fn=dict(type='pseudo_collate'), dataset=Images(*batch))
        return Runner(
            copy.deepcopy(theta), str(tmp_path / folder), loader, train_cfg=dict(by_epoch=True, max_epochs=epochs),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)), default_scope='mmdet', log_level='ERROR',
            custom_hooks=[dict(type='EMAHook'), dict(type='mmrazor.SplitDistillerHook'),
                          dict(type='mmrazor.JoinDistillerHook')],
            randomness=dict(seed=0), experiment_name=f'{folder}{epochs}', **options)

    return make


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
    assert not any('teacher' in key for part in ('state_dict', 'distiller', 'ema_state_dict') for key in checkpoint[part])


def test_hooks_are_added_to_those_of_the_config_and_only_once():
    cfg = Config(dict(custom_hooks=[dict(type='EMAHook')]))
    add_distiller_hooks(cfg)
    once = [hook.type for hook in cfg.custom_hooks]
    add_distiller_hooks(cfg)
    assert once == ['EMAHook', 'mmrazor.SplitDistillerHook', 'mmrazor.JoinDistillerHook']
    assert [hook.type for hook in cfg.custom_hooks] == once
