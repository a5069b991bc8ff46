"""Toys that the tests share: the demo's detectors at a small width, and a few of its scenes."""

import copy
import functools
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.config import utils as config_utils
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.lab.demo.digit_scenes import SPLITS, make_split

pytest_plugins = ['runners', 'stand_in_timm']
ROOT = Path(__file__).parents[1]
CHANNELS = 16


@pytest.fixture(autouse=True, scope='session')
def mmdet_scope():
    init_default_scope('mmdet')


@pytest.fixture(autouse=True, scope='session')
def metafiles_read_once():
    """MMEngine reads all metafiles of MMDetection, most of a second, for every `mmdet::` config."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(config_utils, 'load', functools.lru_cache(maxsize=None)(config_utils.load))
        yield


@pytest.fixture
def root():
    """The folder of the project."""
    return ROOT


@pytest.fixture
def source():
    """A student's feature, float64."""
    return torch.randn(2, 6, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def target():
    """A teacher's feature of the same shape, float64."""
    return torch.randn(2, 6, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def curved():
    """A velocity that depends on the state and on the time."""
    return lambda state, t: torch.sin(3 * state + t) + t * state.roll(1, dims=1)


@pytest.fixture
def retinanet():
    """Config of a tiny RetinaNet."""
    model = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py').model
    model.backbone.base_channels = 4
    model.neck.update(in_channels=[4, 8, 16, 32], out_channels=CHANNELS)
    model.bbox_head.update(in_channels=CHANNELS, feat_channels=CHANNELS)
    return model


@pytest.fixture
def flow():
    """Arguments of a flow for that RetinaNet."""
    return dict(levels=(0, 1, 2), num_steps=2, meta_encoder=dict(type='mmrazor.LightMetaEncoder', channels=CHANNELS))


@pytest.fixture
def teacher_ckpt(retinanet, tmp_path):
    """File with the weights of a teacher of the same config."""
    torch.manual_seed(1)
    path = tmp_path / 'teacher.pth'
    torch.save(dict(state_dict=MODELS.build(retinanet).state_dict(), meta={}), path)
    return str(path)


@pytest.fixture
def fmkt(retinanet, flow, teacher_ckpt):
    """Config of FM-KT on that RetinaNet."""
    return distillation(ROOT / 'configs/demo/fmkt.py', retinanet, flow, teacher_ckpt)


@pytest.fixture
def theta(retinanet, flow, teacher_ckpt):
    """Config of FM-KT^Θ on that RetinaNet."""
    return distillation(ROOT / 'configs/demo/fmkt-theta.py', retinanet, flow, teacher_ckpt)


def distillation(file, student, flow, teacher_ckpt):
    model = Config.fromfile(file).model
    model.teacher = copy.deepcopy(student)
    model.teacher_ckpt = teacher_ckpt
    if 'flow' in model.architecture.neck:
        model.architecture = dict(student, neck=dict(type='mmdet.FlowNeck', neck=student.neck, flow=flow))
    else:
        model.architecture = student
        model.distiller.connectors.flow.flow = flow
    return model


@pytest.fixture
def batch():
    """Two random images (2, 3, 64, 64) with two boxes each."""
    generator = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(2):
        sample = DetDataSample(
            metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64), pad_shape=(64, 64), scale_factor=(1.0, 1.0))
        )
        corner = torch.rand(2, 2, generator=generator) * 30
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corner, corner + 20], 1), labels=torch.randint(10, (2,), generator=generator)
        )
        samples.append(sample)
    return torch.randn(2, 3, 64, 64, generator=generator), samples


@pytest.fixture(scope='session')
def digits(tmp_path_factory):
    """A folder with 24 training and 6 validation scenes."""
    root = tmp_path_factory.mktemp('digits')
    for split, num_images in zip(SPLITS, (24, 6)):
        list(make_split(root, split, num_images, seed=0))
    return root


@pytest.fixture(scope='session')
def demo_teacher(tmp_path_factory):
    """File with weights of the demo's teacher."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    torch.save(MODELS.build(Config.fromfile(ROOT / 'configs/demo/retinanet_r34.py').model).state_dict(), path)
    return path


@pytest.fixture(scope='session')
def make_config(digits, demo_teacher, tmp_path_factory):
    """Write a config on top of one of the demo's, for the few scenes and two epochs: (name, more lines) -> file."""
    folder = tmp_path_factory.mktemp('configs')

    def write(name, *lines):
        file = folder / f'{name}_{len(list(folder.iterdir()))}.py'
        teacher_line = [f"model = dict(teacher_ckpt='{demo_teacher}')"] if name.startswith(('fmkt', 'pkd')) else []
        file.write_text(
            '\n'.join(
                [
                    f"_base_ = '{ROOT}/configs/demo/{name}.py'",
                    'train_cfg = dict(max_epochs=2, val_interval=2)',
                    f"train_dataloader = dict(dataset=dict(data_root='{digits}/'))",
                    f"val_dataloader = dict(dataset=dict(data_root='{digits}/'))",
                    'test_dataloader = val_dataloader',
                    f"val_evaluator = dict(ann_file='{digits}/annotations/val.json')",
                    'test_evaluator = val_evaluator',
                    'randomness = dict(seed=0)',
                    *teacher_line,
                    *lines,
                ]
            )
        )
        return file

    return write
