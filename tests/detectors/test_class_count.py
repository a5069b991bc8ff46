"""MMDetection's hook, which wants `num_classes` of all modules to be that of the data, has nothing against ours."""

from types import SimpleNamespace

import pytest
import torch
from detectors import CLASSES, tiny
from mmdet.engine.hooks import NumClassCheckHook
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmrazor.registry import MODELS

from mmfmkt.pairing.pair import pair_config


@pytest.mark.parametrize(
    'name, method',
    [
        ('faster_rcnn', 'kd'),
        ('faster_rcnn', 'fmkt-feature-logit'),
        ('retinanet', 'fmkt-theta'),
        ('retinanet', 'bckd'),
        ('retinanet', 'crosskd'),
    ],
)
def test_no_part_of_a_distillation_has_another_number_of_classes_than_the_data(name, method, tmp_path):
    checkpoint = tmp_path / 'teacher.pth'
    torch.save(DETECTORS.build(tiny(name)).state_dict(), checkpoint)
    model = MODELS.build(ConfigDict(pair_config(tiny(name), tiny(name), str(checkpoint), method)))
    data = SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=('thing',) * CLASSES)))
    NumClassCheckHook().before_train_epoch(SimpleNamespace(model=model, train_dataloader=data))
