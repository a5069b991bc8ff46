"""What the tests of the tools distil: a config of a user's, and a teacher for it; and a runner that would train."""

import shutil

import pytest
import torch
from commands import ROOT
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.runner import Runner

from mmfmkt.cli.preflight import build_data

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


@pytest.fixture
def scenes(digits, tmp_path):
    """A copy of a few scenes, to be spoilt."""
    shutil.copytree(digits, tmp_path / 'scenes')
    return tmp_path / 'scenes'


@pytest.fixture
def prepared(retinanet, scenes, tmp_path):
    """A runner that would train, and its data sets; settings of its config may be changed."""

    def prepare(**changes):
        cfg = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py')
        cfg.model, cfg.work_dir = retinanet, str(tmp_path / 'run')
        cfg.merge_from_dict(
            {
                'train_dataloader.dataset.data_root': f'{scenes}/',
                'val_dataloader.dataset.data_root': f'{scenes}/',
                'val_evaluator.ann_file': f'{scenes}/annotations/val.json',
                'train_dataloader.num_workers': 0,
                'train_dataloader.persistent_workers': False,
                'val_dataloader.num_workers': 0,
                'val_dataloader.persistent_workers': False,
                'test_dataloader': None,
                'test_cfg': None,
                'test_evaluator': None,
                **changes,
            }
        )
        runner = Runner.from_cfg(cfg)
        return runner, build_data(runner, 'train', 'val')

    return prepare
