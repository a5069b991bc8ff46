"""The demo's configs and the example build, and what is deployed is mmdet's own; pairs are tested in lab/zoo/."""

import pytest
import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.hub import get_config
from mmrazor.registry import MODELS
from pair_cases import BY_NAME, CONFIGS, read_case

from mmfmkt.deploy.detector import deployed_config
from mmfmkt.detectors.class_count import class_counts
from mmfmkt.engine.add_hooks import add_distillation_hooks, make_resumable
from mmfmkt.pairing.short_form import write_out

DEMO = sorted((CONFIGS / 'demo').glob('*.py'))


def name(path):
    return path.stem


def build(cfg, tmp_path):
    """The config's model; a distillation gets a teacher checkpoint with random weights."""
    if 'teacher' not in cfg.model:
        return MODELS.build(cfg.model) if 'distiller' in cfg.model else DETECTORS.build(cfg.model)
    teacher = cfg.model.teacher
    teacher = (get_config(teacher) if '::' in teacher else Config.fromfile(CONFIGS.parent / teacher)).model
    checkpoint = tmp_path / 'teacher.pth'
    torch.save(DETECTORS.build(teacher).state_dict(), checkpoint)
    return MODELS.build(dict(cfg.model, teacher=teacher, teacher_ckpt=str(checkpoint)))


@pytest.mark.parametrize('path', DEMO, ids=name)
def test_config_builds_and_its_deployed_config_too(path, tmp_path, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    cfg = write_out(Config.fromfile(path))
    weights = build(cfg, tmp_path).state_dict()
    student = {key: value for key, value in weights.items() if not key.startswith('distiller.')}
    DETECTORS.build(deployed_config(cfg).model).load_state_dict(student, strict=True)


@pytest.mark.parametrize('file', ['student.py', 'teacher.py', 'fmkt-theta.py'])
def test_the_example_of_ones_own_data_builds(file, tmp_path, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    cfg = write_out(Config.fromfile(CONFIGS / 'own_data' / file))
    assert class_counts(build(cfg, tmp_path)) == {2}


@pytest.mark.parametrize('method', ['fmkt-theta', 'ofmkt-theta', 'pkd'])
def test_theta_deploys_mmdets_own_retinanet(method):
    cfg = deployed_config(read_case(method, BY_NAME['retinanet_r101_r50']))
    stock = get_config('mmdet::retinanet/retinanet_r50_fpn_2x_coco.py')
    cfg.model.pop('_scope_', None)
    assert cfg.model == stock.model
    assert 'custom_imports' not in cfg


def test_deploying_leaves_nothing_of_the_project_behind_but_the_flow():
    cfg = Config.fromfile(CONFIGS / 'fmkt-theta_retinanet_r101_r50.py')
    cfg.custom_hooks = [dict(type='EMAHook'), dict(type='mmrazor.StepWarmUpHook', num_steps=[(0, 1)])]
    add_distillation_hooks(cfg)
    cfg.optim_wrapper.type = 'mmrazor.CPUAmpOptimWrapper'
    deployed = deployed_config(cfg)
    assert deployed.custom_hooks == [dict(type='EMAHook')] and deployed.optim_wrapper.type == 'OptimWrapper'
    assert not {'flow', 'distiller', 'teacher'} & set(deployed)
    assert 'mmfmkt' not in deployed.pretty_text and 'mmrazor' not in deployed.pretty_text


def test_a_detector_that_was_trained_without_distillation_is_deployed_as_a_stock_one_too():
    cfg = Config.fromfile(CONFIGS / 'demo' / 'retinanet_r18.py')
    make_resumable(cfg)
    cfg.default_hooks.extra = dict(type='mmrazor.ChannelsLastHook')
    cfg.merge_from_dict(dict(runner_type='FlexibleRunner', strategy=dict(type='DistillFSDPStrategy')))
    deployed = deployed_config(cfg)
    assert 'mmfmkt' not in deployed.pretty_text and 'mmrazor' not in deployed.pretty_text
    assert 'strategy' not in deployed and 'runner_type' not in deployed
    assert deployed.default_hooks.checkpoint.type == 'CheckpointHook' and 'extra' not in deployed.default_hooks


def test_a_strategy_that_is_none_of_this_project_stays():
    cfg = Config.fromfile(CONFIGS / 'demo' / 'retinanet_r18.py')
    cfg.merge_from_dict(dict(runner_type='FlexibleRunner', strategy=dict(type='SingleDeviceStrategy')))
    assert deployed_config(cfg).strategy.type == 'SingleDeviceStrategy'


def test_deploying_keeps_the_other_custom_imports():
    cfg = Config.fromfile(CONFIGS / 'fmkt-theta_retinanet_r101_r50.py')
    cfg.custom_imports.imports = ['mmfmkt', 'my_backbone']
    assert deployed_config(cfg).custom_imports.imports == ['my_backbone']
    assert cfg.custom_imports.imports == ['mmfmkt', 'my_backbone']
