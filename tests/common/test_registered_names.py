"""Pure Python configs, whose types are classes."""

import pytest
import torch
from mmdet.models.losses.smooth_l1_loss import L1Loss
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmrazor.registry import MODELS

from mmfmkt.common.registered_names import registered_name, with_registered_names
from mmfmkt.deploy.export import export_student
from mmfmkt.pairing.pair import pair_config

# MMDetection's own configs import classes so, from the module in which they stand
CLASSES = dict(
    RetinaNet='mmdet.models.detectors.retinanet',
    DetDataPreprocessor='mmdet.models.data_preprocessors.data_preprocessor',
    ResNet='mmdet.models.backbones.resnet',
    FPN='mmdet.models.necks.fpn',
    RetinaSepBNHead='mmdet.models.dense_heads.retina_sepbn_head',
    AnchorGenerator='mmdet.models.task_modules.prior_generators.anchor_generator',
    DeltaXYWHBBoxCoder='mmdet.models.task_modules.coders.delta_xywh_bbox_coder',
    FocalLoss='mmdet.models.losses.focal_loss',
    L1Loss='mmdet.models.losses.smooth_l1_loss',
    MaxIoUAssigner='mmdet.models.task_modules.assigners.max_iou_assigner',
    PseudoSampler='mmdet.models.task_modules.samplers.pseudo_sampler',
)


@pytest.fixture
def pure(retinanet, tmp_path):
    """The tiny RetinaNet as a file of such a config."""
    text = repr(retinanet.to_dict())
    for name in CLASSES:
        text = text.replace(f"'type': '{name}'", f"'type': {name}")
    imports = ''.join(f'from {module} import {name}\n' for name, module in CLASSES.items())
    file = tmp_path / 'pure.py'
    file.write_text(f'{imports}model = {text}\n')
    return file


@pytest.mark.parametrize('method', ['fmkt', 'fmkt-theta', 'pkd', 'student'])
def test_a_pure_python_config_is_student_and_teacher(pure, retinanet, teacher_ckpt, batch, tmp_path, method):
    student = Config.fromfile(pure).model
    assert student.bbox_head.loss_bbox.type is L1Loss
    settings = dict(architecture=student, teacher=str(pure), teacher_ckpt=teacher_ckpt, method=method)
    written = Config(dict(model=pair_config(**settings)))
    written.dump(tmp_path / 'written.py')
    model = Config.fromfile(tmp_path / 'written.py').model
    built = (DETECTORS if method == 'student' else MODELS).build(model)
    total, _ = built.parse_losses(built.loss(*batch))
    assert total.isfinite()
    torch.save(dict(state_dict=built.state_dict(), meta={}), tmp_path / 'trained.pth')
    config, _ = export_student(
        Config.fromfile(tmp_path / 'written.py'), str(tmp_path / 'trained.pth'), str(tmp_path / 'student.pth')
    )
    assert Config.fromfile(config).model.bbox_head.loss_bbox.type.split('.')[-1] == 'L1Loss'


def test_a_class_has_the_name_that_it_is_registered_under():
    assert registered_name(L1Loss) == 'mmdet.L1Loss'
    assert registered_name(OptimWrapper) == 'mmengine.OptimWrapper'
    assert with_registered_names(dict(a=[dict(type=L1Loss)], b=(1, 'x'))) == dict(
        a=[dict(type='mmdet.L1Loss')], b=(1, 'x')
    )


def test_a_class_that_is_not_registered_has_the_path_of_its_module():
    assert with_registered_names(dict(type=torch.nn.Conv2d))['type'] in (
        'mmengine.Conv2d',
        'mmcv.Conv2d',
        'torch.nn.modules.conv.Conv2d',
    )
    assert with_registered_names(dict(type=Config)) == dict(type='mmengine.config.config.Config')
