"""The teacher's own metrics, before training."""

import pytest
import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.runner import load_checkpoint
from runners import SumOfScores

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


def test_a_metric_that_the_teacher_has_nothing_for_is_reported_and_the_students_has_its_own_results(
    train, printed, monkeypatch
):
    seen, compute = [], SumOfScores.compute_metrics

    def for_students(metric, results):
        seen.append(len(results))
        if len(seen) == 1:
            raise KeyError('segm is not in results')
        return compute(metric, results)

    monkeypatch.setattr(SumOfScores, 'compute_metrics', for_students)
    train(1)
    assert printed[-1] == 'the teacher was not measured: segm is not in results'
    assert len(seen) == 2 and seen[0] == seen[1]


def test_a_metric_that_misses_something_in_an_image_is_reported_and_the_students_has_all_images(
    train, printed, monkeypatch
):
    seen, process = [], SumOfScores.process

    def for_students(metric, data_batch, data_samples):
        seen.append(len(data_samples))
        if len(seen) == 1:
            raise KeyError('masks')
        process(metric, data_batch, data_samples)

    monkeypatch.setattr(SumOfScores, 'process', for_students)
    runner = train(1)
    assert printed[-1] == 'the teacher was not measured: masks'
    assert sum(seen[1:]) == len(runner.val_dataloader.dataset)


def test_without_validation_data_it_is_refused(make_runner, theta):
    theta.evaluate_teacher = True
    with pytest.raises(ValueError, match='must be used with validation data, but there are none'):
        check_evaluation(make_runner(1, 'run'))
