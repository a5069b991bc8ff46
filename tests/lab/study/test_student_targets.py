"""Other targets of FM-KT^Θ's student: an extension, added as users add theirs."""

import pytest
import torch
from mmengine.config import Config

from mmfmkt.flow import transport
from mmfmkt.lab.study.student_targets import StudentTargetLoss
from mmfmkt.models import FMKTLoss
from mmfmkt.pairing.short_form import write_out

L2 = dict(type='mmrazor.L2Loss', normalize=False, loss_weight=0.5)
PKD = dict(type='mmrazor.PKDMetric')


def metric_of(loss):
    return loss.level_metrics[0].metric


def test_towards_the_flow_it_is_the_loss_of_fmkt_theta(source, target, curved):
    trajectory = transport(source, curved, 4)
    extended, theta = StudentTargetLoss(metric=PKD), FMKTLoss(PKD, student_weight=1.0)
    assert torch.equal(extended({0: trajectory}, [target]), theta({0: trajectory}, [target]))


def test_towards_the_teacher_it_adds_the_metric_of_the_students_own_feature(source, target, curved):
    trajectory = transport(source, curved, 4)
    theta = StudentTargetLoss(metric=PKD, student_weight=0.5, student_target='teacher')({0: trajectory}, [target])
    own = metric_of(FMKTLoss(PKD))(source, target)
    torch.testing.assert_close(theta, FMKTLoss(PKD)({0: trajectory}, [target]) + 0.5 * own, rtol=1e-12, atol=0)


def test_a_flow_that_starts_from_a_copy_leaves_the_student_to_its_own_term(source, target, curved):
    own = source.clone().requires_grad_()
    trajectory = transport(own.detach(), curved, 4)
    StudentTargetLoss(metric=L2)({0: trajectory}, [target], student_features=[own]).backward()
    pull = metric_of(FMKTLoss(L2))(own, trajectory.output)
    torch.testing.assert_close(own.grad, torch.autograd.grad(pull, own)[0], rtol=1e-12, atol=0)


def test_towards_both_is_the_mean_of_the_two(source, target, curved):
    trajectory = transport(source, curved, 4)
    flow, teacher, both = (
        StudentTargetLoss(metric=PKD, student_target=towards)({0: trajectory}, [target])
        for towards in ('flow', 'teacher', 'both')
    )
    torch.testing.assert_close(both, (flow + teacher) / 2, rtol=1e-12, atol=0)


def test_towards_anything_else_is_refused():
    with pytest.raises(ValueError, match="`student_target` must be one of flow, teacher, both, but got 'output'"):
        StudentTargetLoss(student_target='output')


@pytest.mark.parametrize('name', ['theta-teacher', 'theta-both', 'theta-detached'])
def test_its_methods_write_out_a_config_that_imports_them(name, root, retinanet):
    method = root / 'configs' / 'studies' / 'methods' / f'{name}.py'
    model = dict(
        type='mmrazor.FMKTPair', architecture=retinanet, teacher=retinanet, teacher_ckpt='x', method=str(method)
    )
    cfg = write_out(Config(dict(model=model, optim_wrapper=dict(type='OptimWrapper'))))
    assert cfg.custom_imports.imports == ['mmfmkt.lab.study.student_targets']
    assert cfg.model.distiller.distill_losses.loss_fmkt.type == 'mmrazor.StudentTargetLoss'
