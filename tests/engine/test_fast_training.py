"""What makes a training faster must not change what is trained."""

from types import SimpleNamespace

import pytest
import torch
from commands import ROOT
from mmdet.registry import MODELS
from mmengine.config import Config

from mmfmkt.common import precision
from mmfmkt.engine.hooks import ChannelsLastHook
from mmfmkt.engine.mixed_precision import AutoAmpOptimWrapper


@pytest.fixture(scope='module')
def detector():
    torch.manual_seed(0)
    return MODELS.build(Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py').model)


def test_images_are_channels_last_while_training_and_have_their_values(detector):
    batch = dict(inputs=[torch.randint(256, (3, 64, 64), dtype=torch.uint8)] * 2)
    expected, hook = detector.data_preprocessor(batch)['inputs'], ChannelsLastHook()
    detector.module = torch.nn.Identity()  # a part with the name that wrappers give to the model
    hook.before_train(SimpleNamespace(cfg={}, model=detector))
    images = detector.data_preprocessor(batch)['inputs']
    assert images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    assert torch.equal(images, expected)
    assert all(level.is_contiguous(memory_format=torch.channels_last) for level in detector.extract_feat(images))
    hook.after_train(SimpleNamespace(cfg={}, model=detector))
    assert detector.data_preprocessor(batch)['inputs'].is_contiguous()


@pytest.mark.parametrize('native, dtype', [(True, torch.bfloat16), (False, torch.float32)])
def test_automatic_mixed_precision_is_bfloat16_where_the_device_computes_it(monkeypatch, native, dtype):
    monkeypatch.setattr(precision, 'computes_bfloat16', lambda device: native)
    layer = torch.nn.Linear(2, 2)
    wrapper = AutoAmpOptimWrapper(torch.optim.SGD(layer.parameters(), lr=0.1))
    with wrapper.optim_context(layer):
        assert layer(torch.ones(1, 2)).dtype == dtype
