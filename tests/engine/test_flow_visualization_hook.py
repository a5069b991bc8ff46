import cv2
import pytest
import torch
from mmdet.registry import MODELS as DETECTORS

from mmfmkt.engine.hooks import FlowVisualizationHook

HOOK = dict(type='mmrazor.FlowVisualizationHook', num_images=1, num_val_images=2)


def pictures(folder):
    return {path.name: cv2.imread(str(path)) for path in folder.glob('*/vis_data/vis_image/*.png')}


def test_sheet_and_chart_reach_the_visualizer_at_the_interval(make_runner, validated, tmp_path):
    validated(make_runner(2, 'run', custom_hooks=[dict(HOOK, interval=2)])).train()
    drawn = pictures(tmp_path / 'run')
    assert set(drawn) == {'flow_features_0_2.png', 'flow_errors_2.png'}  # two epochs of one iteration
    assert all(picture.std() > 10 for picture in drawn.values())


def test_training_is_the_same_with_and_without_pictures(make_runner, validated, theta, tmp_path):
    theta.distiller.connectors.flow.flow.num_steps = [1, 2, 4]  # drawn
    for name, hooks in (('drawn', [dict(HOOK, interval=1)]), ('silent', [])):
        validated(make_runner(2, name, custom_hooks=[dict(type='EMAHook'), *hooks])).train()
    drawn, silent = (torch.load(tmp_path / name / 'epoch_2.pth', weights_only=False) for name in ('drawn', 'silent'))
    assert pictures(tmp_path / 'drawn') and not pictures(tmp_path / 'silent')
    for part in ('state_dict', 'ema_state_dict'):
        assert all(torch.equal(value, silent[part][key]) for key, value in drawn[part].items())


def test_a_training_that_counts_iterations_is_drawn_at_validations(make_runner, validated, tmp_path):
    train_cfg = dict(by_epoch=False, max_iters=3, val_interval=1)
    validated(make_runner(1, 'run', custom_hooks=[dict(HOOK, interval=2)], train_cfg=train_cfg)).train()
    assert set(pictures(tmp_path / 'run')) == {'flow_features_0_2.png', 'flow_errors_2.png'}


def test_a_resumed_training_that_counts_iterations_is_drawn_at_the_same_validations(make_runner, validated, tmp_path):
    saving = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1))

    def runner_of(max_iters, **options):
        train_cfg = dict(by_epoch=False, max_iters=max_iters, val_interval=1)
        hooks = [dict(HOOK, interval=2)]
        return validated(
            make_runner(1, 'run', custom_hooks=hooks, train_cfg=train_cfg, default_hooks=saving, **options)
        )

    runner_of(1).train()
    runner_of(3, resume=True, load_from=str(tmp_path / 'run' / 'iter_1.pth')).train()
    assert set(pictures(tmp_path / 'run')) == {'flow_features_0_2.png', 'flow_errors_2.png'}


def test_nothing_is_drawn_after_the_distillation_has_stopped(make_runner, validated, theta, tmp_path):
    theta.weight_schedule = dict(stop_epoch=1)
    hooks = [dict(type='mmrazor.WeightScheduleHook'), dict(HOOK, interval=1)]
    validated(make_runner(2, 'run', custom_hooks=hooks)).train()
    assert set(pictures(tmp_path / 'run')) == {'flow_features_0_1.png', 'flow_errors_1.png'}


def test_a_training_without_validation_data_or_without_a_flow_is_refused(make_runner, validated, retinanet):
    with pytest.raises(ValueError, match='FlowVisualizationHook must have validation data'):
        make_runner(1, 'run', custom_hooks=[HOOK]).train()
    runner = validated(make_runner(1, 'run', custom_hooks=[HOOK]))
    runner.model = DETECTORS.build(retinanet)
    with pytest.raises(ValueError, match='but got RetinaNet without distillation'):
        runner.train()


@pytest.mark.parametrize('name', ['interval', 'num_images', 'num_val_images'])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f'`{name}` of FlowVisualizationHook must be at least 1, but got 0'):
        FlowVisualizationHook(**{name: 0})
