"""Students learn from networks of timm."""

import copy

import pytest
import torch
from detectors import batch_for, tiny
from helpers import gradients, total
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmrazor.registry import MODELS
from stand_in_timm import SMALL

from mmfmkt.pairing.pair import pair_config

VIT, _, PYRAMID = SMALL.values()


@pytest.fixture
def pair(save_timm_weights):
    """Config of a tiny RetinaNet with a network of timm as its teacher."""

    def make(name=VIT, method='fmkt-theta', student='retinanet', teacher=None, **settings):
        listed = dict(teacher=dict(type='mmrazor.TimmTeacher', model=name, **teacher or {}))
        return ConfigDict(
            pair_config(
                tiny(student), **listed, teacher_ckpt=save_timm_weights(name), method=method, **copy.deepcopy(settings)
            )
        )

    return make


def built(config):
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(config))
    model.init_weights()
    return model.train()


def distilled(losses):
    return sum(value for name, value in losses.items() if name.startswith('distill.') and 'loss' in name)


@pytest.mark.parametrize('name, method', [(VIT, 'fmkt-theta'), (PYRAMID, 'fmkt')])
def test_steps_of_a_training_leave_the_teacher_as_it_is_and_bring_the_student_closer(timm, pair, name, method):
    model = built(pair(name, method, teacher_inference=dict(precision='float32', fold_bn=False)))
    batch = batch_for(model)
    frozen = model.teacher.detector
    before = copy.deepcopy(frozen.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    seen = []
    for _ in range(3):
        losses = model.loss(*copy.deepcopy(batch))
        optimizer.zero_grad()
        distilled(losses).backward()
        optimizer.step()
        seen.append(distilled(losses).item())
    assert seen[-1] < seen[0]
    assert not any(module.training for module in frozen.modules())
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in frozen.parameters())
    assert all(torch.equal(value, before[key]) for key, value in frozen.state_dict().items())


@pytest.mark.parametrize('method', ['pkd', 'mgd', 'fgd'])
def test_methods_that_compare_features_train(timm, pair, method):
    model = built(pair(PYRAMID, method))
    losses = model.loss(*batch_for(model))
    assert distilled(losses).isfinite() and gradients(model, total(losses))


def test_the_teacher_is_in_no_state_dict_and_a_checkpoint_goes_on_with_the_same_losses(timm, pair):
    config = pair()
    model = built(config)
    kept = model.state_dict()
    assert not any('network' in key or key.startswith('teacher') for key in kept)
    other = MODELS.build(copy.deepcopy(config)).train()
    other.load_state_dict(kept)
    batch, found = batch_for(model), []
    for each in (model, other):
        torch.manual_seed(0)
        found.append(total(each.loss(*copy.deepcopy(batch))))
    assert torch.equal(*found)


@pytest.mark.parametrize(
    'student, levels, teacher_levels, channels',
    [('retinanet', (0, 1, 2), (0, 1, 2), 192), ('faster_rcnn', (1, 2, 3), (0, 1, 2), 192)],
)
def test_levels_are_matched_by_stride_and_channels_projected(timm, pair, student, levels, teacher_levels, channels):
    losses = pair(VIT, 'pkd', student)['distiller']['distill_losses']
    loss = losses['loss_feature']
    assert loss['levels'] == levels and loss.get('teacher_levels', levels) == teacher_levels
    assert [transform['out_channel'] for transform in loss['transform']] == [channels] * 3


def test_levels_of_the_student_may_be_chosen_by_strides(timm, pair):
    loss = pair(VIT, 'pkd', teacher=dict(strides=(16, 64)))['distiller']['distill_losses']['loss_feature']
    assert loss['levels'] == (1, 3) and loss['teacher_levels'] == (0, 1)


def test_it_stands_beside_detectors(timm, save_timm_weights, tmp_path):
    torch.save(DETECTORS.build(tiny('fcos')).state_dict(), tmp_path / 'fcos.pth')
    teachers = [
        dict(teacher=tiny('fcos'), teacher_ckpt=str(tmp_path / 'fcos.pth')),
        dict(teacher=dict(type='mmrazor.TimmTeacher', model=VIT), teacher_ckpt=save_timm_weights(VIT), weight=0.5),
        dict(teacher=dict(type='mmrazor.TimmTeacher', model=PYRAMID), teacher_ckpt=save_timm_weights(PYRAMID)),
    ]
    model = built(ConfigDict(pair_config(tiny('retinanet'), teachers, method='fmkt-theta')))
    losses = model.loss(*batch_for(model))
    for name in ('loss_fmkt', 'loss_fmkt_1', 'loss_fmkt_2'):
        assert losses[f'distill.{name}'].isfinite() and losses[f'distill.{name}'] > 0
    assert gradients(model, total(losses))


def test_it_runs_in_low_precision_and_its_features_come_back_from_disk(timm, pair, tmp_path):
    inference = dict(precision='bfloat16', cache=str(tmp_path / 'cache'))
    model, runs = built(pair(VIT, teacher_inference=inference)), []
    batch = batch_for(model)
    expected = distilled(model.loss(*copy.deepcopy(batch)))
    assert model.teacher.dtype == torch.bfloat16 and model.teacher.running.fold_bn
    model.teacher.detector.backbone.register_forward_hook(lambda *args: runs.append(args))
    assert torch.equal(distilled(model.loss(*copy.deepcopy(batch))), expected) and not runs


@pytest.mark.parametrize('method', ['kd', 'dist', 'crosskd', 'fmkt-logit', 'fmkt-logit-theta', 'fmkt-feature-logit'])
def test_methods_that_read_a_head_are_refused_with_those_that_do_not(timm, pair, method):
    with pytest.raises(ValueError, match=f'{method} does not: the teacher has no .*Those that do are .*fmkt-theta'):
        pair(VIT, method)


@pytest.mark.parametrize(
    'settings, said',
    [
        (dict(inherit=['head']), "nothing of the teacher's head fits into the student's: the teacher has none"),
        (dict(inherit='neck'), "nothing of the teacher's neck fits into the student's: the teacher has none"),
        (dict(evaluate_teacher=True), '`evaluate_teacher` must be left out for .*, but got TimmTeacher'),
    ],
)
def test_settings_that_read_a_head_are_refused(timm, pair, settings, said):
    config = pair(VIT, **settings)
    with pytest.raises(ValueError, match=said):
        MODELS.build(config)


def test_an_auxiliary_head_has_no_start(timm, pair):
    with pytest.raises(ValueError, match="must be like the student's, but one is a RetinaHead, the other none"):
        pair(VIT, auxiliary_head=True)


def test_a_student_of_grey_images_is_refused(timm, pair):
    config = pair()
    config.architecture.backbone.in_channels = 1
    config.architecture.data_preprocessor = dict(type='mmdet.DetDataPreprocessor', mean=[120.0], std=[60.0])
    with pytest.raises(ValueError, match='the student reads 1 and the teacher 3'):
        MODELS.build(config)


def test_a_name_that_timm_lacks_is_told_of_the_pair(timm):
    teacher = dict(type='mmrazor.TimmTeacher', model='resnet18x')
    with pytest.raises(ValueError, match='the teacher cannot be distilled: .*the closest are .*resnet18'):
        pair_config(tiny('retinanet'), teacher, 'resnet18.pth')
