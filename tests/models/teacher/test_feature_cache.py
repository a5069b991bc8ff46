"""The teacher's features on disk."""

import copy

import pytest
import torch
from mmrazor.registry import MODELS

from mmfmkt.models.teacher import feature_cache


@pytest.fixture
def build(theta, tmp_path):

    def build(**settings):
        settings = dict(precision='float32', cache=str(tmp_path / 'cache'), **settings)
        torch.manual_seed(0)
        return MODELS.build(copy.deepcopy({**theta, 'teacher_inference': settings})).train()

    return build


def count_runs(model):
    runs = []
    model.teacher.detector.backbone.register_forward_hook(lambda *args: runs.append(args))
    return runs


def files(tmp_path):
    return sorted(tmp_path.glob('cache/*/*.pth'))


def test_a_batch_that_comes_back_has_the_same_losses_without_a_run_of_the_teacher(build, batch, tmp_path):
    model = build()
    expected = model.loss(*batch)['distill.loss_fmkt']
    runs = count_runs(model)
    again, in_other_order = model.loss(*batch), model.loss(batch[0].flip(0), batch[1][::-1])
    assert not runs and len(files(tmp_path)) == 2
    assert torch.equal(again['distill.loss_fmkt'], expected)
    torch.testing.assert_close(in_other_order['distill.loss_fmkt'], expected, rtol=1e-5, atol=0)
    other = build()
    other.loss(*batch)  # whose first batch prepares it
    runs = count_runs(other)
    assert torch.equal(other.loss(*batch)['distill.loss_fmkt'], expected) and not runs


def test_one_other_pixel_or_a_new_image_is_computed(build, batch, tmp_path):
    model, (images, samples) = build(), batch
    model.loss(images, samples)
    runs, changed = count_runs(model), images.clone()
    changed[1, 2, 30, 30] += 1e-3
    model.loss(changed, samples)
    model.loss(torch.cat([images[:1], changed[:1] * 2]), samples)
    assert len(runs) == 2 and len(files(tmp_path)) == 4


def test_another_teacher_has_other_files(build, batch, tmp_path, theta):
    build().loss(*batch)
    weights = torch.load(theta.teacher_ckpt)
    weights['state_dict']['neck.lateral_convs.0.conv.weight'] += 1
    torch.save(weights, theta.teacher_ckpt)
    build().loss(*batch)
    assert len({file.parent for file in files(tmp_path)}) == 2 and len(files(tmp_path)) == 4


def test_nothing_is_kept_beyond_the_limit(build, batch, tmp_path):
    model = build(cache_gb=0.0)
    model.loss(*batch)
    runs = count_runs(model)
    model.loss(*batch)
    assert len(runs) == 1 and not files(tmp_path)


def test_processes_share_the_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(feature_cache, 'get_world_size', lambda: 2)
    cache = feature_cache.FeatureCache(str(tmp_path), [], max_gb=6e-6)
    cache.write(cache.files(torch.rand(2, 3, 4, 4), [None] * 2), [torch.zeros(2, 1000)], dtype=None)  # 4 kB an image
    assert len(list(tmp_path.glob('*/*.pth'))) == 1


def test_features_in_low_precision_are_kept_in_it_and_come_back_the_same(theta, batch, tmp_path):
    settings = dict(precision='bfloat16', cache=str(tmp_path / 'cache'))
    model = MODELS.build(copy.deepcopy({**theta, 'teacher_inference': settings})).train()
    first, second = (model.loss(*batch)['distill.loss_fmkt'] for _ in range(2))
    assert torch.equal(first, second)
    kept = [torch.load(file) for file in files(tmp_path)]
    assert {level.dtype for pyramid in kept for level in pyramid} == {torch.bfloat16}


def test_a_pyramid_that_is_not_all_that_is_read_is_refused(theta, tmp_path):
    theta.distiller.teacher_recorders.stem = dict(type='mmrazor.ModuleOutputs', source='backbone.conv1')
    with pytest.raises(
        ValueError, match="`teacher_inference.cache` must be used with recorders of the whole pyramid, 'neck'"
    ):
        MODELS.build({**theta, 'teacher_inference': dict(cache=str(tmp_path))})


def test_digests_tell_shapes_types_and_values_apart():
    values = [
        torch.zeros(2, 3),
        torch.zeros(3, 2),
        torch.zeros(6),
        torch.zeros(2, 3).bfloat16(),
        torch.ones(2, 3),
        (2, 3),
        None,
    ]
    assert len({feature_cache.digest(feature_cache.content(value)) for value in values}) == len(values)
