"""The teacher's own metrics, before training."""

import pytest
import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.runner import load_checkpoint

from mmfmkt.cli.preflight import check_evaluation
from mmfmkt.engine.hooks import evaluate_teacher_hook

HOOK = dict(type='mmrazor.EvaluateTeacherHook')


@pytest.fixture
def printed(monkeypatch):
    lines = []
    monkeypatch.setattr(evaluate_teacher_hook, 'print_log', lambda message, *args: lines.append(message))
    return lines


@pytest.fixture
def train(make_runner, validated, theta, printed):
    theta.architecture.test_cfg.score_thr = 0.0
    theta.teacher.test_cfg.score_thr = 0.0

    def run(epochs, evaluate=True, **options):
        theta.evaluate_teacher = evaluate
        runner = validated(make_runner(epochs, 'run', custom_hooks=[HOOK], **options))
        runner.train()
        return runner

    return run


def test_the_printed_metrics_are_the_teachers(train, printed, theta):
    loader, teacher = train(1).val_dataloader, DETECTORS.build(theta.teacher).eval()
    load_checkpoint(teacher, theta.teacher_ckpt)
    expected = sum(sample.pred_instances.scores.sum().item() for data in loader for sample in teacher.val_step(data))
    assert printed[-1] == f'teacher: toy/scores {expected:.4f}'
    assert expected > 0 and len(printed) == 2


def test_a_teacher_is_measured_only_when_asked_for_and_not_again_when_resumed(train, printed, tmp_path):
    train(1, evaluate=False)
    assert printed == []
    train(2, resume=True, load_from=str(tmp_path / 'run' / 'epoch_1.pth'))
    assert printed == []


def test_measuring_changes_nothing_of_the_training(train, tmp_path):
    results = []
    for evaluate in (True, False):
        train(1, evaluate=evaluate)
        results.append(torch.load(tmp_path / 'run' / 'epoch_1.pth')['state_dict'])
    assert all(torch.equal(value, results[1][key]) for key, value in results[0].items())


def test_a_metric_that_the_teacher_has_nothing_for_is_reported_and_training_goes_on(
    train, printed, monkeypatch, tmp_path
):

    def fail(*args):
        raise KeyError('segm is not in results')

    monkeypatch.setattr(evaluate_teacher_hook.EvaluateTeacherHook, 'measure', fail)
    train(1)
    assert (
        printed == ['the teacher was not measured: segm is not in results']
        and (tmp_path / 'run' / 'epoch_1.pth').exists()
    )


def test_without_validation_data_it_is_refused(make_runner, theta):
    theta.evaluate_teacher = True
    with pytest.raises(ValueError, match='must be used with validation data, but there are none'):
        check_evaluation(make_runner(1, 'run'))
