"""What is no student and no teacher."""

import pytest
import torch
from detectors import tiny
from mmdet.models import RetinaNet
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmengine.model import BaseModel

from mmfmkt.pairing.pair import pair_config


def test_what_goes_wrong_in_a_detector_says_in_which(tmp_path):
    broken = tiny('retinanet')
    broken.neck.in_channels = [1, 2]
    for arguments, side in (((broken, tiny('gfl')), 'student'), ((tiny('gfl'), broken), 'teacher')):
        with pytest.raises(ValueError, match=f'^the {side} cannot be distilled: '):
            pair_config(*arguments, 'nowhere.pth')


def test_a_distillation_is_neither_a_student_nor_a_teacher(tmp_path):
    torch.save(DETECTORS.build(tiny('gfl')).state_dict(), tmp_path / 'gfl.pth')
    distillation = pair_config(tiny('retinanet'), tiny('gfl'), str(tmp_path / 'gfl.pth'))
    for arguments in ((distillation, tiny('gfl')), (tiny('gfl'), distillation)):
        with pytest.raises(
            ValueError, match='but got a distillation, mmrazor.FMKTDistill; train it with tools/train.py'
        ):
            pair_config(*arguments, 'nowhere.pth')


def test_a_detector_with_a_teacher_of_its_own_is_refused():
    inner = tiny('retinanet')
    with_teacher = ConfigDict(inner, type='KnowledgeDistillationSingleStageDetector', teacher_config=dict(model=inner))
    for arguments in ((with_teacher, tiny('gfl')), (tiny('gfl'), with_teacher)):
        with pytest.raises(
            ValueError, match='must be detectors without a teacher of their own, but Knowledge.* has one'
        ):
            pair_config(*arguments, 'nowhere.pth')


@DETECTORS.register_module()
class WithoutItsFinestLevel(RetinaNet):
    """A detector whose heads read something else than what its neck returns."""

    def extract_feat(self, images):
        return super().extract_feat(images)[1:]


def test_a_detector_that_changes_what_its_neck_returns_is_refused():
    changing = ConfigDict(tiny('retinanet'), type='WithoutItsFinestLevel')
    with pytest.raises(ValueError, match='`extract_feat` of Without.* must return what its neck makes'):
        pair_config(changing, tiny('retinanet'), 'nowhere.pth')


@DETECTORS.register_module()
class Wrapper(BaseModel):
    """A module with a detector inside."""

    def __init__(self, detector):
        super().__init__()
        self.detector = DETECTORS.build(detector)

    def extract_feat(self, images):
        return self.detector.extract_feat(images)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.detector(inputs, data_samples, mode)


def test_a_wrapper_is_refused_with_what_to_give_instead():
    with pytest.raises(ValueError, match='must be detectors, with a `backbone` .* but got Wrapper; give .* inside'):
        pair_config(dict(type='Wrapper', detector=tiny('retinanet')), tiny('retinanet'), 'nowhere.pth')


def test_a_teacher_of_mmdetection_2_is_refused_with_its_new_settings():
    old = ConfigDict(tiny('retinanet'), pretrained='torchvision://resnet50')
    with pytest.raises(ValueError, match='the teacher cannot be distilled: `model.pretrained` must be left out'):
        pair_config(tiny('retinanet'), old, 'nowhere.pth')
