import pytest
import torch
from detectors import batch_for, tiny
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmrazor.registry import MODELS

from mmfmkt.pairing.pair import pair_config


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(1)
    torch.save(dict(state_dict=DETECTORS.build(tiny('retinanet')).state_dict(), meta={}), tmp_path / 'teacher.pth')
    return str(tmp_path / 'teacher.pth')


def pair(checkpoint, method, **settings):
    return pair_config(tiny('retinanet'), tiny('retinanet'), checkpoint, method, **settings)


@pytest.mark.parametrize('method', ['fmkt', 'fmkt-theta', 'pkd', 'mgd', 'fgd', 'kd', 'crosskd', 'fmkt-logit'])
def test_any_method_with_a_teacher_finds_its_weight(checkpoint, method):
    MessageHub.get_current_instance().update_info('iter', 0)
    config = pair(checkpoint, method, loss=dict(loss_weight='auto'), balance=dict(ratio=0.5))
    model = MODELS.build(ConfigDict(config)).train()
    losses = model.loss(*batch_for(model))
    assert torch.isfinite(losses['distill.balance']) and losses['distill.balance'] > 0


@pytest.mark.parametrize('method', ['ofmkt', 'ofmkt-theta'])
def test_a_method_without_a_teacher_whose_loss_starts_at_its_minimum_is_refused(method):
    config = pair_config(tiny('retinanet'), method=method, loss=dict(loss_weight='auto'))
    with pytest.raises(ValueError, match='`balance` must weigh losses towards a teacher, but the target of loss_ofmkt'):
        MODELS.build(ConfigDict(config))


def test_the_first_loss_of_each_teacher_gets_the_same_factor(checkpoint):
    teachers = [
        dict(teacher=tiny('retinanet'), teacher_ckpt=checkpoint),
        dict(teacher=tiny('retinanet'), teacher_ckpt=checkpoint, weight=3.0),
    ]
    config = pair_config(tiny('retinanet'), teachers, method='pkd', loss=dict(loss_weight='auto'))
    assert config['balance'] == dict(losses=['loss_feature', 'loss_feature_1'])
    losses = config['distiller']['distill_losses']
    assert [losses[name]['loss_weight'] for name in config['balance']['losses']] == [0.25, 0.75]


def test_a_weight_that_is_given_has_no_balance(checkpoint):
    assert 'balance' not in pair(checkpoint, 'pkd')
    with pytest.raises(ValueError, match="`balance` of a pair must be set together with loss=dict.loss_weight='auto'"):
        pair(checkpoint, 'pkd', loss=dict(loss_weight=3.0), balance=dict(ratio=2.0))


def test_a_word_other_than_auto_is_no_weight(checkpoint):
    with pytest.raises(ValueError, match="`loss_weight` must be a number of at least 0, but got 'automatic'"):
        MODELS.build(ConfigDict(pair(checkpoint, 'pkd', loss=dict(loss_weight='automatic'))))
