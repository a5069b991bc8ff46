"""The teacher sees what its own preprocessor would have made of the images."""

import copy

import pytest
import torch
from detectors import batch_for, tiny
from mmdet.models import DetDataPreprocessor
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmrazor.registry import MODELS as ALGORITHMS

from mmfmkt.models.teacher.teacher_inputs import FitToStudent, TeacherInputs
from mmfmkt.pairing.pair import pair_config

PREPROCESSORS = dict(
    torchvision=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True, pad_size_divisor=32),
    caffe=dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False, pad_size_divisor=32),
    none=dict(pad_size_divisor=32),
    grey_padding=dict(pad_value=114.0, pad_size_divisor=1),
)


def preprocessor(name):
    return MODELS.build(dict(PREPROCESSORS[name], type='DetDataPreprocessor'))


@pytest.fixture
def raw():
    """Two images of different sizes, as a data loader gives them."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(40, 50), (33, 64)]
    images = [torch.randint(256, (3, *shape), generator=generator, dtype=torch.uint8) for shape in shapes]
    return dict(inputs=images, data_samples=[DetDataSample(metainfo=dict(img_shape=shape)) for shape in shapes])


@pytest.mark.parametrize('student', PREPROCESSORS)
@pytest.mark.parametrize('teacher', PREPROCESSORS)
def test_images_are_those_of_the_teachers_own_preprocessor(raw, student, teacher):
    of_student, of_teacher = preprocessor(student), preprocessor(teacher)
    seen = of_student(copy.deepcopy(raw))
    found = TeacherInputs(of_student, of_teacher)(seen['inputs'], seen['data_samples'])
    expected = of_teacher(copy.deepcopy(raw))['inputs']
    height, width = expected.shape[2:]
    torch.testing.assert_close(found[:, :, :height, :width], expected, rtol=1e-5, atol=1e-3)


class Quarter(DetDataPreprocessor):
    """One of the user's own, which does more than mmdet's."""

    def forward(self, data, training=False):
        data = super().forward(data, training)
        return dict(data, inputs=data['inputs'] / 4)


@pytest.mark.parametrize('side', ['student', 'teacher'])
def test_preprocessors_of_which_one_does_more_than_to_normalise_are_refused(side):
    sides = dict(student=preprocessor('torchvision'), teacher=preprocessor('caffe'))
    TeacherInputs(**sides).check(**sides, channels=3)
    sides[side] = Quarter(**PREPROCESSORS['torchvision'])
    with pytest.raises(ValueError, match='must only normalise, .* and Quarter do something else: the pixels'):
        TeacherInputs(**sides).check(**sides, channels=3)


def test_images_are_passed_on_where_the_two_agree(raw):
    images = preprocessor('caffe')(raw)['inputs']
    assert TeacherInputs(preprocessor('caffe'), preprocessor('caffe'))(images) is images


def test_the_students_images_are_not_written_into(raw):
    seen = preprocessor('torchvision')(raw)
    before = seen['inputs'].clone()
    TeacherInputs(preprocessor('torchvision'), preprocessor('grey_padding'))(seen['inputs'], seen['data_samples'])
    assert torch.equal(seen['inputs'], before)


def test_padding_of_the_teacher_is_cropped_from_its_features():
    inputs, fit = TeacherInputs(preprocessor('grey_padding'), preprocessor('none')), FitToStudent()
    images = torch.zeros(1, 3, 40, 70)
    padded = inputs(images)
    assert padded.shape[2:] == (64, 96)
    features = tuple(torch.zeros(1, 2, 64 // stride, 96 // stride) for stride in (8, 16, 32))
    with fit.fitting(images, padded):
        fitted = fit(None, (), features)
    assert [tuple(feature.shape[2:]) for feature in fitted] == [(5, 9), (3, 5), (2, 3)]
    assert fit(None, (), features) is None  # the teacher runs for itself


def test_a_distilled_teacher_sees_its_own_normalisation_and_padding(tmp_path):
    """A DETR pads its batches to no divisor; a YOLOX has to, and does not normalise."""
    student, teacher = tiny('deformable_detr'), tiny('yolox')
    torch.save(MODELS.build(tiny('yolox')).state_dict(), tmp_path / 'teacher.pth')
    model = ALGORITHMS.build(ConfigDict(pair_config(student, teacher, str(tmp_path / 'teacher.pth')))).train()
    seen = []
    model.teacher.detector.backbone.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    images, samples = batch_for(student, size=64)
    images = images[:, :, :, :52]
    for sample in samples:
        sample.set_metainfo(dict(img_shape=(64, 52), batch_input_shape=(64, 52), pad_shape=(64, 52)))
        sample.gt_instances.bboxes.clamp_(max=50)
    assert model.loss(images, samples)['distill.loss_fmkt'].isfinite()
    mean, std = (torch.tensor(student.data_preprocessor[key])[:, None, None] for key in ('mean', 'std'))
    expected = (images * std + mean).flip(1)
    torch.testing.assert_close(seen[0][:, :, :, :52], expected)
    assert seen[0].shape == (2, 3, 64, 64) and (seen[0][:, :, :, 52:] == 0).all()
