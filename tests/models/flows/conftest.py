"""Logit FM-KT on the heads of mmdet, at a small width."""

import pytest
import torch
from detectors import HIDDEN, WIDTH, tiny
from logit_flows import DENSE, ROI
from mmdet.registry import MODELS as DETECTORS
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmrazor.registry import MODELS

from mmfmkt.pairing.pair import pair_config


@pytest.fixture(params=DENSE + ROI)
def name(request):
    """A family of detectors."""
    return request.param


@pytest.fixture
def student(name):
    return tiny(name)


@pytest.fixture
def logit_flow(name):
    channels = HIDDEN if name in ROI else WIDTH
    return dict(num_steps=3, meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=channels))


@pytest.fixture
def config(student, logit_flow, tmp_path):
    """Logit FM-KT from a teacher of the same config."""
    torch.manual_seed(1)
    torch.save(DETECTORS.build(student).state_dict(), tmp_path / 'teacher.pth')
    return ConfigDict(pair_config(student, student, str(tmp_path / 'teacher.pth'), 'fmkt-logit', logit_flow))


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    return MODELS.build(config).train()


@pytest.fixture
def masked_batch(batch):
    """The batch, with a mask for every box, for those who want some."""
    inputs, samples = batch
    for sample in samples:
        sample.gt_instances.masks = BitmapMasks(torch.ones(2, 64, 64, dtype=torch.uint8).numpy(), 64, 64)
    return inputs, samples
