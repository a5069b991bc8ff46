"""What a config gets so that its runs can go on."""

import pytest
from mmengine.config import Config

from mmfmkt.engine.add_hooks import make_resumable


@pytest.mark.parametrize(
    'loop, found',
    [
        (dict(by_epoch=True, max_epochs=2), 'mmrazor.ResumableEpochLoop'),
        (dict(by_epoch=False, max_iters=2), 'mmrazor.ResumableIterLoop'),
        (dict(type='EpochBasedTrainLoop', max_epochs=2), 'mmrazor.ResumableEpochLoop'),
        (dict(type='mmengine.IterBasedTrainLoop', max_iters=2), 'mmrazor.ResumableIterLoop'),
        (dict(type='OneOfMyOwn'), 'OneOfMyOwn'),
    ],
)
def test_loops_of_mmengine_are_made_resumable(loop, found):
    cfg = Config(dict(train_cfg=loop))
    make_resumable(cfg)
    assert cfg.train_cfg.type == found and 'by_epoch' not in cfg.train_cfg
    assert cfg.custom_imports == dict(imports=['mmfmkt'], allow_failed_imports=False)


@pytest.mark.parametrize('checkpoint', [dict(backend_args=dict(backend='petrel')), dict(out_dir='s3://bucket')])
def test_checkpoints_elsewhere_are_left_to_their_backend(checkpoint):
    cfg = Config(dict(train_cfg=dict(by_epoch=True, max_epochs=1), default_hooks=dict(checkpoint=checkpoint)))
    make_resumable(cfg)
    assert cfg.default_hooks.checkpoint == checkpoint


def test_early_stopping_comes_before_checkpoints_are_saved():
    stopping = dict(type='EarlyStoppingHook', monitor='ap')
    cfg = Config(
        dict(
            train_cfg=dict(by_epoch=True, max_epochs=1),
            default_hooks=dict(stopping=dict(stopping), logger=None),
            custom_hooks=[dict(stopping), dict(stopping, priority='HIGH')],
        )
    )
    make_resumable(cfg)
    hooks = [cfg.default_hooks.stopping, *cfg.custom_hooks[:2]]
    assert [hook.priority for hook in hooks] == ['LOW', 'LOW', 'HIGH']


@pytest.mark.parametrize('hooks', [{}, dict(checkpoint=dict(type='CheckpointHook', interval=3))])
def test_checkpoints_are_written_whole(hooks):
    cfg = Config(dict(train_cfg=dict(by_epoch=True, max_epochs=1), default_hooks=hooks))
    make_resumable(cfg)
    assert cfg.default_hooks.checkpoint.backend_args == dict(backend='whole_files')
