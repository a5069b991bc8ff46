"""What the tests of the tools distil: a config of a user's, and a teacher for it."""

import pytest
import torch
from commands import ROOT
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config

TEACHER = ROOT / 'configs/demo/retinanet_r34.py'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('distill')


@pytest.fixture(scope='module')
def student(digits, folder):
    """The user's config: the demo's student on a few scenes."""
    file = folder / 'my_student.py'
    file.write_text(
        '\n'.join(
            [
                f"_base_ = '{ROOT}/configs/demo/retinanet_r18.py'",
                'train_cfg = dict(max_epochs=2, val_interval=1)',
                f"train_dataloader = dict(dataset=dict(data_root='{digits}/'))",
                f"val_dataloader = dict(dataset=dict(data_root='{digits}/'))",
                'test_dataloader = val_dataloader',
                f"val_evaluator = dict(ann_file='{digits}/annotations/val.json')",
                'test_evaluator = val_evaluator',
                'model = dict(test_cfg=dict(score_thr=0.0))',  # an empty result has no mAP
            ]
        )
    )
    return file


@pytest.fixture(scope='module')
def named_teacher(folder):
    """A checkpoint of the demo's teacher that names its classes."""
    torch.manual_seed(1)
    detector = DETECTORS.build(Config.fromfile(TEACHER).model)
    path = folder / 'teacher.pth'
    torch.save(dict(state_dict=detector.state_dict(), meta=dict(dataset_meta=dict(classes=tuple('0123456789')))), path)
    return path
