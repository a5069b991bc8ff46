"""Is a checkpoint one to go on from?"""

from types import SimpleNamespace

import pytest
import torch
from mmrazor.registry import MODELS

from mmfmkt.cli.preflight import check_resumable, check_start
from mmfmkt.engine.checkpoint_files import Resumable, read_resumable
from mmfmkt.pairing.auxiliary_head import NAME, WEIGHTS


@pytest.mark.parametrize(
    'change, lacks',
    [
        (lambda checkpoint: checkpoint.pop('optimizer'), 'lacks `optimizer`'),
        (lambda checkpoint: checkpoint.update(optimizer=[], meta=3), 'lacks `meta` and `optimizer`'),
        (lambda checkpoint: checkpoint['meta'].pop('iter'), 'lacks `meta`'),
        (lambda checkpoint: checkpoint.pop('param_schedulers'), 'lacks `param_schedulers`'),
        (lambda checkpoint: checkpoint['meta'].update(epoch=0, iter=30), 'counts iterations, and this run epochs'),
        (
            lambda checkpoint: checkpoint['state_dict'].update({'backbone.conv1.weight': torch.zeros(2, 3)}),
            r'has weights of another shape: backbone.conv1.weight \(2, 3\) instead of \(4, 3, 7, 7\)',
        ),
        (lambda checkpoint: checkpoint.pop('distiller'), 'lacks the weights of distiller.connectors.flow'),
        (lambda checkpoint: checkpoint['state_dict'].popitem(), 'lacks the weights of bbox_head'),
    ],
)
def test_a_checkpoint_of_another_run_is_not_gone_on_from(make_runner, tmp_path, change, lacks):
    schedule = dict(type='MultiStepLR', milestones=[1])
    runner, file = make_runner(1, 'run', param_scheduler=[schedule]), tmp_path / 'run' / 'epoch_1.pth'
    runner.train()
    check_resumable(runner, read_resumable(str(file)))
    checkpoint = torch.load(file)
    change(checkpoint)
    torch.save(checkpoint, file)
    with pytest.raises(ValueError, match=f'{lacks}.*; to start from the weights of another, set load_from'):
        check_resumable(runner, read_resumable(str(file)))


@pytest.mark.parametrize('begun_with', [True, False])
def test_a_run_that_was_begun_with_another_auxiliary_head_says_how_to_go_on(make_runner, tmp_path, begun_with):
    runner, file = make_runner(1, 'run'), tmp_path / 'run' / 'epoch_1.pth'
    runner.train()
    checkpoint = torch.load(file)
    if begun_with:
        checkpoint['distiller'][f'{WEIGHTS}head.weight'] = torch.zeros(1)
        torch.save(checkpoint, file)
    else:
        runner.model.distiller.distill_losses[NAME] = torch.nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match=f'; to go on as it was begun, set model.auxiliary_head={begun_with}'):
        check_resumable(runner, read_resumable(str(file)))


def test_a_checkpoint_of_which_nothing_fits_is_not_started_from(make_runner):
    runner = make_runner(1, 'run')
    check_start(runner, 'x.pth', {'backbone.conv1.weight': torch.zeros(4, 3, 7, 7)})
    with pytest.raises(
        ValueError, match='nothing of x.pth fits; it has backbone.conv1.weight, other, and the student backbone'
    ):
        check_start(runner, 'x.pth', {'backbone.conv1.weight': torch.zeros(1), 'other': torch.zeros(1)})


def test_a_checkpoint_of_another_method_is_not_gone_on_from(theta, retinanet):
    algorithm = MODELS.build(theta)
    weights = algorithm.state_dict()
    distiller = {key: value for key, value in weights.items() if key.startswith('distiller.')}
    content = dict(
        meta=dict(epoch=1, iter=1), optimizer={}, message_hub=dict(log_scalars={}, runtime_info={}), distiller=distiller
    )
    of_student = {key: value for key, value in weights.items() if key not in distiller}
    runner = SimpleNamespace(model=algorithm, param_schedulers=None)
    check_resumable(runner, Resumable('theta.pth', of_student, content))
    runner.model = MODELS.build(dict(retinanet, _scope_='mmdet'))
    for of_distiller in (distiller, {}):  # the latter as that of PKD
        content['distiller'] = of_distiller
        with pytest.raises(ValueError, match='theta.pth is of a distillation, and this is none; to start from'):
            check_resumable(runner, Resumable('theta.pth', of_student, content))
