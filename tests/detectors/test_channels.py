"""Images of one channel, or of more than three, on every way through the project."""

import copy

import pytest
import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmrazor.registry import MODELS

from mmfmkt.deploy.export import export_student
from mmfmkt.detectors.channels import image_channels
from mmfmkt.detectors.pyramid import find_pyramid

CHANNELS = [1, 3, 4]


@pytest.fixture
def of_channels(retinanet):
    """The tiny RetinaNet for images of so many channels, and with other statistics if that is asked for."""

    def build(channels, mean=127.5, std=64.0):
        model = copy.deepcopy(retinanet)
        model.backbone.in_channels = channels
        known = channels in (1, 3)  # of others MMDetection's preprocessor takes no statistics
        model.data_preprocessor.update(
            mean=[mean] * channels if known else None, std=[std] * channels if known else None, bgr_to_rgb=False
        )
        return model

    return build


@pytest.fixture
def teacher_of(of_channels, tmp_path):
    def build(channels, **statistics):
        config = of_channels(channels, **statistics)
        torch.manual_seed(1)
        torch.save(dict(state_dict=DETECTORS.build(config).state_dict()), tmp_path / 'teacher.pth')
        return dict(teacher=config, teacher_ckpt=str(tmp_path / 'teacher.pth'))

    return build


@pytest.mark.parametrize('channels', CHANNELS)
def test_the_pyramid_of_images_of_any_channels_is_found(of_channels, channels):
    detector = DETECTORS.build(of_channels(channels))
    assert image_channels(detector) == channels
    assert [level.stride for level in find_pyramid(detector)] == [8, 16, 32]


def test_a_stem_that_lays_pixels_on_top_of_each_other_counts_those_of_the_image():
    backbone = DETECTORS.build(dict(type='CSPDarknet', widen_factor=0.125, deepen_factor=0.33))
    assert image_channels(backbone) == 3


@pytest.mark.parametrize('method', ['fmkt', 'fmkt-theta'])
@pytest.mark.parametrize('channels', CHANNELS)
def test_a_pair_of_any_channels_trains(of_channels, teacher_of, batch, channels, method):
    images, samples = batch
    statistics = {} if channels == 4 else dict(mean=100.0, std=50.0)
    algorithm = MODELS.build(
        dict(
            type='mmrazor.FMKTPair',
            method=method,
            architecture=of_channels(channels),
            **teacher_of(channels, **statistics),
        )
    )
    shown = images[:, :1].repeat(1, channels, 1, 1)
    losses = algorithm.loss(shown, samples)
    total, _ = algorithm.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    # the teacher sees its own statistics: x_S std_S / std_T + (mean_S - mean_T) / std_T
    expected = shown * 64 / 50 + (127.5 - 100) / 50 if statistics else shown
    assert torch.allclose(algorithm.teacher.inputs(shown.clone(), samples), expected, atol=1e-6)


def test_a_pair_of_different_channels_is_refused(of_channels, teacher_of):
    with pytest.raises(ValueError, match='the student reads 1 and the teacher 3; set `backbone.in_channels`'):
        MODELS.build(dict(type='mmrazor.FMKTPair', architecture=of_channels(1), **teacher_of(3)))


@pytest.mark.parametrize('channels', CHANNELS)
def test_a_student_of_any_channels_is_exported(of_channels, tmp_path, channels):
    cfg = Config(dict(model=of_channels(channels)))
    torch.save(dict(state_dict=DETECTORS.build(cfg.model).state_dict(), meta={}), tmp_path / 'trained.pth')
    config, weights = export_student(cfg, str(tmp_path / 'trained.pth'), str(tmp_path / 'student.pth'))
    assert Config.fromfile(config).model.backbone.in_channels == channels and weights.exists()


@pytest.mark.parametrize('channels', [1, 4])
def test_a_student_of_any_channels_becomes_a_graph(of_channels, tmp_path, channels):
    pytest.importorskip('onnxruntime')
    import onnx

    from mmfmkt.deploy.onnx import export_onnx

    cfg = Config(dict(model=of_channels(channels)))
    torch.save(dict(state_dict=DETECTORS.build(cfg.model).state_dict(), meta={}), tmp_path / 'trained.pth')
    export_onnx(cfg, str(tmp_path / 'trained.pth'), str(tmp_path / 'student.onnx'))
    (images,) = onnx.load(tmp_path / 'student.onnx').graph.input
    assert images.type.tensor_type.shape.dim[1].dim_value == channels
