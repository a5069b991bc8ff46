"""Names of the last version."""

import logging

import pytest
from mmrazor.registry import MODELS

from mmfmkt import models
from mmfmkt.common import deprecated
from mmfmkt.common.deprecated import RENAMED, with_new_names
from mmfmkt.models import FMKTLoss, OwnOutput, PKDMetric, TeacherTarget
from mmfmkt.pairing.pair import pair_config


@pytest.fixture
def said(monkeypatch):
    """What a user is told."""
    lines = []
    monkeypatch.setattr(deprecated, 'print_log', lambda text, logger, level: lines.append((level, text)))
    deprecated.warn.cache_clear()
    return lines


@pytest.mark.parametrize(
    'old, new',
    [
        (dict(type='mmrazor.SyncPKDLoss', loss_weight=2.0), dict(type='mmrazor.PKDMetric', loss_weight=2.0)),
        (dict(type='BinaryKDLoss'), dict(type='mmrazor.BinaryKDMetric')),
        (dict(type='mmrazor.BoxFeatureLoss', levels=(0,)), dict(type='mmrazor.FeatureLoss', levels=(0,))),
        (dict(type='mmrazor.BoxFMKTLoss'), dict(type='mmrazor.FMKTLoss')),
        (dict(type='mmrazor.FMKTThetaLoss'), dict(type='mmrazor.FMKTLoss', student_weight=1.0)),
        (
            dict(type='mmrazor.BoxFMKTThetaLoss', student_weight=0.5, keep_pairs=0.5, teacher_levels=(1, 2)),
            dict(
                type='mmrazor.FMKTLoss',
                student_weight=0.5,
                target=dict(type='mmrazor.TeacherTarget', keep_pairs=0.5, levels=(1, 2)),
            ),
        ),
        (dict(type='mmrazor.OFMKTLoss'), dict(type='mmrazor.FMKTLoss', target=dict(type='mmrazor.OwnOutput'))),
        (
            dict(type='mmrazor.OFMKTThetaLoss', keep_pairs=1.0),
            dict(type='mmrazor.FMKTLoss', student_weight=1.0, target=dict(type='mmrazor.OwnOutput')),
        ),
        (
            dict(type='mmrazor.FMKTLoss', keep_pairs=0.5),
            dict(type='mmrazor.FMKTLoss', target=dict(type='mmrazor.TeacherTarget', keep_pairs=0.5)),
        ),
    ],
)
def test_an_old_name_becomes_the_new_one_and_a_warning_names_it(said, old, new):
    before = dict(old)
    assert with_new_names(dict(loss=[old])) == dict(loss=[new]) and old == before
    assert all(level == logging.WARNING and 'FMKTLoss' in text + 'FMKTLoss' for level, text in said) and said
    assert any(new['type'] in text or 'target=' in text for _, text in said)


def test_a_name_is_said_once(said):
    for _ in range(3):
        with_new_names(dict(type='mmrazor.SyncPKDLoss'))
    assert len(said) == 1


def test_what_has_no_old_name_is_the_same_object(said):
    config = dict(
        type='mmrazor.FMKTLoss', metric=[dict(type='mmrazor.PKDMetric')], target=dict(type='mmrazor.OwnOutput')
    )
    assert with_new_names(config) is config and not said


@pytest.mark.parametrize('old', RENAMED)
def test_the_registry_builds_old_names(old):
    built = MODELS.build(dict(type=f'mmrazor.{old}'))
    assert type(built).__name__ == RENAMED[old][0]


def test_the_registry_builds_the_forms_that_old_names_stood_for():
    theta, online = (MODELS.build(dict(type=f'mmrazor.{name}')) for name in ('FMKTThetaLoss', 'OFMKTLoss'))
    assert isinstance(theta, FMKTLoss) and theta.student_weight == 1 and isinstance(theta.target, TeacherTarget)
    assert online.student_weight == 0 and isinstance(online.target, OwnOutput)


def test_a_metric_in_a_loss_may_have_its_old_name():
    loss = FMKTLoss(dict(type='mmrazor.SyncPKDLoss'))
    assert isinstance(loss.level_metrics[0].metric, PKDMetric)


@pytest.mark.parametrize(
    'config',
    [
        dict(type='mmrazor.FMKTThetaLoss', student_target='teacher'),
        dict(type='mmrazor.FlowConnector', flow={}, detach=True),
    ],
)
def test_a_setting_that_is_gone_is_refused(config):
    with pytest.raises(ValueError, match='is no setting any more, but got .*; leave it out'):
        with_new_names(config)


@pytest.mark.parametrize(
    'config',
    [dict(type='mmrazor.FMKTThetaLoss', student_target='flow'), dict(type='mmrazor.FlowConnector', detach=False)],
)
def test_a_setting_that_is_gone_is_dropped_where_it_changes_nothing(config, said):
    assert not {'student_target', 'detach'} & set(with_new_names(config)) and said


def test_a_class_as_the_type_has_old_settings_too():
    assert with_new_names(dict(type=FMKTLoss, keep_pairs=0.5))['target']['keep_pairs'] == 0.5


def test_classes_of_the_last_version_are_the_new_ones_or_name_them(said):
    assert models.SyncPKDLoss is PKDMetric and models.FlowTransform is models.PyramidFlow and len(said) == 2
    with pytest.raises(ImportError, match='FMKTThetaLoss is now FMKTLoss with student_weight=1.0'):
        models.FMKTThetaLoss  # noqa: B018


def test_decoupled_pairs_without_a_teacher_are_refused():
    with pytest.raises(ValueError, match='`keep_pairs` must be used with a teacher as the target, but got 0.5'):
        with_new_names(dict(type='mmrazor.OFMKTLoss', keep_pairs=0.5))


def test_a_short_form_with_old_names_becomes_that_with_the_new_ones(retinanet, teacher_ckpt):
    old = pair_config(
        retinanet, retinanet, teacher_ckpt, 'fmkt-theta', loss=dict(type='mmrazor.FMKTThetaLoss', keep_pairs=0.5)
    )
    target = dict(type='mmrazor.TeacherTarget', keep_pairs=0.5)
    assert old == pair_config(retinanet, retinanet, teacher_ckpt, 'fmkt-theta', loss=dict(target=target))


def test_a_config_that_an_earlier_version_has_dumped_trains(theta, batch):
    theta.distiller.distill_losses.loss_fmkt = dict(
        type='mmrazor.FMKTThetaLoss', metric=dict(type='mmrazor.SyncPKDLoss'), student_weight=1.0
    )
    model = MODELS.build(theta).train()
    assert model.loss(*batch)['distill.loss_fmkt'].isfinite()
