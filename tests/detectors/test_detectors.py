"""The tiny detectors that other tests distil."""

import pytest
import torch
from detectors import CLASSES, CONFIGS, batch_for, full, tiny
from helpers import gradients, total
from mmdet.registry import MODELS
from mmengine.logging import MessageHub

NORMS = {'BN', 'SyncBN', 'GN'}
NO_PREDICTION = ('ssd', 'ssdlite_mobilenetv2')  # a bug of mmdet 3.3, github.com/open-mmlab/mmdetection/issues/11063


def values(config, wanted):
    """What a config has under this key, at any depth."""
    if isinstance(config, (list, tuple)):
        return [value for each in config for value in values(each, wanted)]
    if not isinstance(config, dict):
        return []
    found = [config[wanted]] if wanted in config else []
    return found + [value for each in config.values() for value in values(each, wanted)]


@pytest.fixture(params=CONFIGS)
def name(request):
    """A family of detectors."""
    return request.param


def test_has_the_types_of_mmdets_config_and_its_own_classes(name):
    types, expected = (set(values(config, 'type')) - NORMS for config in (tiny(name), full(name)))
    assert types == expected - {'Pretrained'}
    assert set(values(tiny(name, 7), 'num_classes')) == {7} and set(values(tiny(name), 'num_classes')) == {CLASSES}
    assert not values(tiny(name), 'checkpoint')


def test_trains_and_predicts(name):
    torch.manual_seed(0)
    MessageHub.get_current_instance().update_info('epoch', 0)  # TOOD asks for it
    model = MODELS.build(tiny(name)).train()
    model.init_weights()  # without it, some parameters are what was in the memory
    loss = total(model.loss(*batch_for(name)))
    assert loss.isfinite() and loss > 0
    assert all(gradient.isfinite().all() for gradient in gradients(model, loss).values())
    if name in NO_PREDICTION:
        with pytest.raises(AttributeError, match="'SSDHead' object has no attribute 'loss_cls'"):
            model.eval().predict(*batch_for(name))
        return
    with torch.no_grad():
        samples = model.eval().predict(*batch_for(name))
    assert len(samples) == 2
    for found in (sample.pred_instances for sample in samples):
        assert len(found) > 0 and found.scores.isfinite().all() and found.labels.max() < CLASSES
