"""A network of timm makes feature maps on the student's grid."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.models import DetDataPreprocessor
from mmrazor.registry import MODELS
from stand_in_timm import MEAN, SMALL, STD

from mmfmkt.detectors.pyramid import find_pyramid
from mmfmkt.models import TimmTeacher
from mmfmkt.models.teacher.frozen_teacher import FrozenTeacher
from mmfmkt.models.teacher.teacher_inputs import TeacherInputs
from mmfmkt.models.teacher.timm_teacher import resized

VIT, PATCH14, PYRAMID = SMALL.values()


def teacher(name, **settings):
    torch.manual_seed(0)
    return TimmTeacher(name, **settings).eval().requires_grad_(False)


def images(height=64, width=96):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def maps(detector, seen, *indices):
    """What the network itself makes of images."""
    network, norm = detector.backbone.network, detector.backbone.norm
    return network.forward_intermediates(
        seen, indices=list(indices), norm=norm, output_fmt='NCHW', intermediates_only=True
    )


@pytest.mark.parametrize(
    'name, settings, levels',
    [
        (VIT, {}, [(8, 192), (16, 192), (32, 192)]),
        (PATCH14, {}, [(8, 384), (16, 384), (32, 384)]),
        (PATCH14, dict(strides=[16]), [(16, 384)]),
        (PYRAMID, {}, [(4, 64), (8, 128), (16, 256), (32, 512)]),
        (PYRAMID, dict(strides=(8, 64, 128)), [(8, 128), (64, 512), (128, 512)]),
        (PYRAMID, dict(strides=(8, 16), layers=-1), [(8, 512), (16, 512)]),
        (PYRAMID, dict(strides=(8, 16), layers=(1, 3)), [(8, 64), (16, 256)]),
    ],
)
def test_levels_have_the_strides_that_are_asked_for_and_the_channels_of_their_maps(timm, name, settings, levels):
    assert [(level.stride, level.channels) for level in find_pyramid(teacher(name, **settings))] == levels


def test_stages_are_levels_as_they_are(timm):
    detector = teacher(PYRAMID)
    found = detector.extract_feat(images())
    assert len(found) == 4 and all(map(torch.equal, found, maps(detector, images(), 1, 2, 3, 4)))


def test_the_levels_of_a_vit_are_its_last_map_normalised_and_resized(timm):
    detector = teacher(VIT)
    assert detector.backbone.norm
    (last,) = maps(detector, images(), 11)
    finer, same, coarser = detector.extract_feat(images())
    assert torch.equal(same, last)
    torch.testing.assert_close(coarser, F.avg_pool2d(last, 2), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(finer, F.interpolate(last, scale_factor=2, mode='bilinear'), rtol=1e-5, atol=1e-6)


def test_each_level_may_have_a_block_of_its_own(timm):
    detector = teacher(VIT, strides=(16, 32), layers=(-2, 3))
    early, late = maps(detector, images(), 3, 10)
    of_16, of_32 = detector.extract_feat(images())
    assert torch.equal(of_16, late)
    torch.testing.assert_close(of_32, F.avg_pool2d(early, 2), rtol=1e-5, atol=1e-6)


def test_images_are_resized_so_that_patches_of_14_pixels_lie_on_a_grid_of_16(timm):
    detector, seen = teacher(PATCH14, strides=(16,)), []
    detector.backbone.network.patch_embed.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    (level,) = detector.extract_feat(images(64, 96))
    assert seen[0].shape == (2, 3, 56, 84) and level.shape == (2, 384, 4, 6)
    assert torch.equal(seen[0], F.interpolate(images(64, 96), size=(56, 84), mode='bilinear', antialias=True))


@pytest.mark.parametrize('wanted', [4, 8, 16, 32])
def test_a_resized_map_stays_where_it_was_on_the_image(wanted):
    """A map that says where its locations are says so at any stride, away from the edges."""

    def places(stride, number):
        return (torch.arange(number, dtype=torch.float64) + 0.5) * stride

    feature = places(16, 8)[None, None, None].expand(1, 1, 8, 8)
    found = resized(feature, 16, wanted)
    assert found.shape == (1, 1, 128 // wanted, 128 // wanted)
    edge = 16 // wanted
    inside = slice(edge, 128 // wanted - edge)
    torch.testing.assert_close(found[0, 0, 0, inside], places(wanted, 128 // wanted)[inside], rtol=0, atol=1e-12)


def test_images_are_normalised_as_those_that_the_network_was_trained_on(timm):
    raw = torch.randint(256, (1, 3, 40, 50), generator=torch.Generator().manual_seed(0)).float()  # BGR
    student = DetDataPreprocessor([103.53, 116.28, 123.675], [1.0, 1.0, 1.0], bgr_to_rgb=False)
    inputs = TeacherInputs(student, teacher(PATCH14).data_preprocessor)
    seen = inputs(raw - student.mean[None])
    mean, std = (torch.tensor(value)[:, None, None] for value in (MEAN, STD))
    torch.testing.assert_close(seen[:, :, :40, :50], (raw.flip(1) / 255 - mean) / std, rtol=1e-5, atol=1e-4)
    assert seen.shape == (1, 3, 64, 64) and not seen[:, :, 40:].any() and not seen[:, :, :, 50:].any()


@pytest.mark.parametrize('name, channels', [(PATCH14, 384), (PYRAMID, 512)])
def test_features_of_images_of_any_size_fit_the_students(timm, save_timm_weights, name, channels):
    config = dict(type='mmrazor.TimmTeacher', model=name, strides=(8, 32))
    frozen = FrozenTeacher(config, save_timm_weights(name), DetDataPreprocessor(pad_size_divisor=1))
    fine, coarse = frozen.extract_features(images(50, 70))
    assert fine.shape[2:] == (7, 9) and coarse.shape == (2, channels, 2, 3)


def test_layers_after_the_last_map_are_freed_and_the_maps_stay_as_they_are(timm, save_timm_weights):
    checkpoint = save_timm_weights(VIT)
    whole, pruned = (teacher(VIT, layers=5) for _ in range(2))
    pruned.load(checkpoint)
    assert len(pruned.backbone.network.blocks) == 6 and len(whole.backbone.network.blocks) == 12
    whole.backbone.network.load_state_dict(
        {key: value for key, value in torch.load(checkpoint).items() if not key.startswith('head.')}
    )
    assert all(map(torch.equal, whole.extract_feat(images()), pruned.extract_feat(images())))


@pytest.mark.parametrize(
    'settings, said',
    [
        (dict(model='vit_small_patch14_dinov9'), r'in timm.list_models\(\) .* are .*vit_small_patch14_dinov2'),
        (dict(model='resnet18.a9_in1k'), "got 'resnet18.a9_in1k'; the closest are .*resnet18.a1_in1k"),
        (dict(model='beit_base_patch16_224'), 'must read images of any size, but beit_base_patch16_224 does not'),
        (dict(model=VIT, strides=(8, 12)), r'powers of 2 that increase, .* but got \(8, 12\)'),
        (dict(model=VIT, strides=(16, 8)), r'but got \(16, 8\)'),
        (dict(model=VIT, strides=()), r'but got \(\)'),
        (dict(model=VIT, strides=8), 'but got 8'),
        (dict(model=VIT, layers=12), 'from -12 to 11, but got 12'),
        (dict(model=VIT, layers=(1, 2)), r'one for each of the strides \(8, 16, 32\), .* but got \(1, 2\)'),
        (dict(model=VIT, layers='last'), "but got 'last'"),
    ],
)
def test_what_timm_or_its_network_lacks_is_refused(timm, settings, said):
    with pytest.raises(ValueError, match=said):
        TimmTeacher(**settings)


def test_a_network_without_maps_is_refused(timm, monkeypatch):
    monkeypatch.setattr(timm, 'create_model', lambda *args, **settings: torch.nn.Identity())
    with pytest.raises(ValueError, match=f'feature maps between its layers .*, but {VIT} has none'):
        TimmTeacher(VIT)


def test_an_unknown_argument_is_named(timm):
    with pytest.raises(TypeError, match="unexpected keyword argument 'stride'"):
        MODELS.build(dict(type='mmrazor.TimmTeacher', model=VIT, stride=16))
