"""Settings of a model, or of how it is trained, that used to end a training without their name."""

import logging

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmrazor.registry import MODELS

from mmfmkt.cli.preflight import build_optimizer, check_compile, check_model, warn_of_keys
from mmfmkt.cli.training import read_start


def config(**model):
    return Config(dict(model=dict(type='RetinaNet', backbone=dict(type='ResNet'), **model)))


def test_a_model_of_mmdetection_3_passes(retinanet, theta):
    check_model(Config(dict(model=retinanet)))
    check_model(Config(dict(model=theta)))


def test_a_config_of_mmdetection_2_is_named():
    with pytest.raises(ValueError, match='`model.pretrained` must be left out: it is of a config of MMDetection 2'):
        check_model(config(pretrained='torchvision://resnet50'))
    inside = Config(dict(model=dict(type='FMKTDistill', architecture=config(pretrained='a.pth').model)))
    with pytest.raises(ValueError, match='`model.architecture.pretrained`'):
        check_model(inside)
    check_model(config(pretrained=None))


@pytest.mark.skipif(torch.cuda.is_available(), reason='GPUs evaluate in float16')
@pytest.mark.parametrize('loop', ['val_cfg', 'test_cfg'])
def test_an_evaluation_in_half_precision_is_refused_on_a_cpu(loop):
    cfg = config()
    cfg[loop] = dict(type='ValLoop', fp16=True)
    with pytest.raises(ValueError, match=f'`{loop}.fp16` must be left out on a CPU'):
        check_model(cfg)


def pretrained(checkpoint):
    cfg = config()
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=checkpoint)
    return cfg


def test_initial_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ValueError, match='`model.backbone.init_cfg` must have a checkpoint .* but weights/no.pth is'):
        check_model(pretrained('weights/no.pth'))
    torch.save({}, tmp_path / 'there.pth')
    check_model(pretrained(str(tmp_path / 'there.pth')))
    check_model(pretrained('https://a.place/there.pth'))


@pytest.mark.parametrize('installed', [True, False])
def test_weights_that_torchvision_names_need_torchvision(monkeypatch, installed):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: object() if installed else None)
    if installed:
        return check_model(pretrained('torchvision://resnet50'))
    with pytest.raises(ValueError, match='install the one that belongs to torch .*docs/install.md, "ImageNet weights"'):
        check_model(pretrained('torchvision://resnet50'))


def test_a_teachers_initial_weights_are_not_looked_for():
    teacher = pretrained('weights/no.pth').model
    check_model(Config(dict(model=dict(type='FMKTDistill', architecture=config().model, teacher=teacher))))


@pytest.mark.parametrize('place', ['compile', 'model.compile'])
def test_compiling_a_distillation_is_refused_with_the_reason(theta, place):
    cfg = Config(dict(model=theta))
    check_compile(cfg)
    cfg.merge_from_dict({place: True})
    with pytest.raises(ValueError, match=f'`{place}` must .* forward hooks, which torch.compile does not run'):
        check_compile(cfg)


@pytest.mark.skipif(torch.cuda.is_available(), reason='it is for GPUs')
def test_the_mixed_precision_of_gpus_is_refused_on_a_cpu(retinanet):
    cfg = Config(dict(model=retinanet, optim_wrapper=dict(type='AmpOptimWrapper')))
    with pytest.raises(ValueError, match='got AmpOptimWrapper, which is for GPUs; --amp chooses'):
        check_model(cfg)


def test_layers_that_are_shared_are_named_with_the_remedy():
    class Runner:
        optim_wrapper = None

        @staticmethod
        def build_optim_wrapper(config):
            layer = torch.nn.Linear(2, 2)
            model = torch.nn.Sequential(layer, torch.nn.Sequential(layer))
            paramwise = dict(custom_keys={'0': dict(lr_mult=0.1)})
            optimizer = dict(type='SGD', lr=0.1)
            return build_optim_wrapper(model, dict(optimizer=optimizer, paramwise_cfg=paramwise))

    with pytest.raises(ValueError, match='`paramwise_cfg` must have bypass_duplicate=True'):
        build_optimizer(Runner())


@pytest.mark.parametrize(
    'keys, said',
    [
        (dict(encoder=dict(lr_mult=0.01), backbone=dict(lr_mult=0.1)), "'encoder' holds for parameters of the flow"),
        (dict(backbone=dict(lr_mult=0.1)), ''),
    ],
)
def test_keys_that_hold_for_the_flow_too_are_told(theta, caplog, keys, said):
    cfg = Config(dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys=keys))))
    logger = MMLogger.get_instance('keys')
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        warn_of_keys(cfg, MODELS.build(theta))
    assert said in caplog.text and bool(said) == bool(caplog.text)


def test_an_address_to_start_from_that_cannot_be_reached_is_named():
    with pytest.raises(ConnectionError, match='set by `load_from`, http://127.0.0.1:9/x.pth could not be fetched'):
        read_start('http://127.0.0.1:9/x.pth')
    assert read_start('s3://bucket/x.pth') is None and read_start(None) is None
