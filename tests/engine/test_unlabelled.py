"""Images without labels beside those of the training."""

import copy
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from helpers import total
from mmdet.registry import DATASETS
from mmengine.hooks import RuntimeInfoHook
from mmengine.logging import MessageHub
from mmengine.structures import InstanceData
from mmrazor.registry import MODELS

from mmfmkt.cli.preflight.data import unlabelled_images
from mmfmkt.engine.hooks import UnlabelledHook, unlabelled_hook
from mmfmkt.engine.loading import unlabelled
from mmfmkt.engine.loading.unlabelled import EndlessBatches
from mmfmkt.models.distill.unlabelled import mappings_without_labels
from mmfmkt.models.flows.pyramid_flow import find_flows
from mmfmkt.pairing.pair import pair_config

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True), dict(type='PackDetInputs')]


@pytest.fixture
def images(tmp_path):
    """A folder with three images of 64x64, one of them in a folder of its own."""
    generator = np.random.default_rng(0)
    for name in ('a.jpg', 'b.PNG', 'more/c.jpg'):
        (tmp_path / 'images' / name).parent.mkdir(parents=True, exist_ok=True)
        noise = generator.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / 'images' / name), noise)
    (tmp_path / 'images/notes.txt').write_text('no image')
    return tmp_path / 'images'


def dataset(folder):
    return dict(type='mmrazor.UnlabelledImages', data_root=str(folder), pipeline=PIPELINE)


def test_images_in_linked_folders_are_found_and_a_link_in_a_circle_is_not_followed(images, tmp_path):
    folder = tmp_path / 'linked'
    folder.mkdir()
    (folder / 'elsewhere').symlink_to(images)
    (images / 'more/back').symlink_to(images)
    assert len(DATASETS.build(dataset(folder))) == 3
    (images / 'latest').symlink_to(images / 'more')  # whose images are taken once
    assert len(DATASETS.build(dataset(images))) == 3


def test_images_that_are_learned_from_without_labels_are_known_before_a_training(images):
    repeated = dict(type='RepeatDataset', times=2, dataset=dataset(images))
    runner = SimpleNamespace(hooks=[UnlabelledHook(repeated, 1), RuntimeInfoHook()])
    assert unlabelled_images(runner) == [f'{images}/{name}' for name in ('a.jpg', 'b.PNG', 'more/c.jpg')]


def test_transforms_that_leave_out_images_without_boxes_keep_them(images):
    crop = dict(type='RandomCrop', crop_size=(32, 32), allow_negative_crop=False)
    choice = dict(type='RandomChoice', transforms=[[crop, dict(type='FilterAnnotations', keep_empty=True)]])
    sizes = [dict(type='Resize', scale=(64, 64)), dict(type='RandomChoiceResize', scales=[(64, 64)])]
    config = dict(dataset(images), pipeline=[*PIPELINE[:2], *sizes, choice, PIPELINE[2]], max_refetch=0)
    assert [each['inputs'].shape[1:] for each in DATASETS.build(config)] == [(32, 32)] * 3


# the loss -------------------------------------------------------------------------------------------------------------
@pytest.fixture(params=['fmkt', 'theta'])
def config(request):
    return request.getfixturevalue(request.param)


def without_labels(samples):
    samples = copy.deepcopy(samples)
    for sample in samples:
        sample.gt_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    return samples


def as_loaded(inputs, samples):
    """A batch as a data loader gives it: images in a list, before the model's preprocessor."""
    return dict(inputs=[image * 50 + 127 for image in inputs], data_samples=samples)


def losses_of(model, batch, extra=None):
    torch.manual_seed(0)
    model.unlabelled = extra
    return model.loss(*batch)


def test_features_are_compared_in_all_images_and_the_students_own_losses_stay(config, batch):
    torch.manual_seed(0)
    model = MODELS.build(config).train()
    generator = torch.Generator().manual_seed(5)
    others = as_loaded(torch.randn(6, 3, 64, 64, generator=generator), without_labels([batch[1][0]] * 6))
    ready = model.data_preprocessor(copy.deepcopy(others), True)
    alone = losses_of(model, batch)
    of_others = losses_of(model, (ready['inputs'], ready['data_samples']))['distill.loss_fmkt']
    both = losses_of(model, batch, others)
    for name, value in alone.items():
        if 'distill' not in name:
            assert torch.equal(torch.stack(both[name]), torch.stack(value)), name
    expected = 2 / 8 * alone['distill.loss_fmkt'] + 6 / 8 * of_others
    assert both['distill.loss_fmkt'].item() == pytest.approx(expected.item(), rel=1e-4)
    assert both['distill.unlabelled_share'] == 0.75
    assert model.unlabelled is None  # and none with the next batch
    assert losses_of(model, batch)['distill.loss_fmkt'].item() == pytest.approx(alone['distill.loss_fmkt'].item())


def test_images_without_annotations_may_be_resized_as_a_batch(theta, batch):
    """Such an augmentation resizes the boxes too, which a pipeline that loads none does not make."""
    theta.architecture.data_preprocessor.batch_augments = [
        dict(type='BatchSyncRandomResize', random_size_range=(96, 96), interval=1)
    ]
    MessageHub.get_current_instance().update_info('iter', 0)
    model = MODELS.build(theta).train()
    bare = as_loaded(batch[0], without_labels(batch[1]))
    for sample in bare['data_samples']:
        del sample.gt_instances.bboxes
    for _ in range(2):  # the first batch draws the size of the next
        losses = losses_of(model, batch, copy.deepcopy(bare))
    assert losses['distill.loss_fmkt'].isfinite()


def test_labels_of_these_images_are_not_read(theta, batch):
    model = MODELS.build(theta).train()
    labelled, bare = as_loaded(*batch), as_loaded(batch[0], without_labels(batch[1]))
    first, second = (total(losses_of(model, batch, copy.deepcopy(extra))).item() for extra in (labelled, bare))
    assert first == second


def test_after_the_distillation_they_are_not_looked_at(theta, batch):
    model = MODELS.build(theta).train()
    model.stop_distillation()
    assert losses_of(model, batch, dict(inputs='never read'))['distill.loss_unused'] == 0


@pytest.mark.parametrize('method, fits', [('pkd', True), ('fmkt-theta', True), ('crosskd', False), ('fgd', False)])
def test_a_method_that_compares_no_features_or_reads_boxes_is_refused(method, fits, retinanet, teacher_ckpt):
    pair = pair_config(copy.deepcopy(retinanet), copy.deepcopy(retinanet), teacher_ckpt, method)
    distiller = MODELS.build(pair).distiller
    if fits:
        assert list(mappings_without_labels(distiller)) == [next(iter(distiller.distill_losses))]
        return
    with pytest.raises(ValueError, match='with a method that compares features and reads no boxes'):
        mappings_without_labels(distiller)


def test_an_auxiliary_head_learns_from_labelled_images_alone(retinanet, teacher_ckpt):
    pair = pair_config(copy.deepcopy(retinanet), copy.deepcopy(retinanet), teacher_ckpt, 'pkd', auxiliary_head={})
    assert list(mappings_without_labels(MODELS.build(pair).distiller)) == ['loss_feature']


# the images -----------------------------------------------------------------------------------------------------------
def test_all_images_below_a_folder_are_found(images):
    found = DATASETS.build(dataset(images))
    assert [found.get_data_info(index)['img_path'][len(str(images)) :] for index in range(3)] == [
        '/a.jpg',
        '/b.PNG',
        '/more/c.jpg',
    ]
    sample = found[0]['data_samples']
    assert found[0]['inputs'].shape == (3, 64, 64) and len(sample.gt_instances) == 0


def test_a_folder_that_is_not_there_or_has_no_image_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='must be a folder, but .*nowhere is none'):
        UnlabelledHook(dataset(tmp_path / 'nowhere'), batch_size=1)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='must have images .* but there is none in .*empty'):
        UnlabelledHook(dataset(tmp_path / 'empty'), batch_size=1)


@pytest.mark.parametrize('numbers', [dict(batch_size=0), dict(batch_size=1, num_workers=-1)])
def test_numbers_that_are_too_small_are_refused(images, numbers):
    with pytest.raises(ValueError, match='must be at least 1 and 0'):
        UnlabelledHook(dataset(images), **numbers)


def test_processes_share_every_pass_and_its_order_is_their_own(monkeypatch):
    seen = []
    for rank in (0, 1):
        monkeypatch.setattr(unlabelled, 'get_rank', lambda rank=rank: rank)
        monkeypatch.setattr(unlabelled, 'get_world_size', lambda: 2)
        seen.append([EndlessBatches(12, 3, seed=4, first=0).indices(iteration) for iteration in range(4)])
    first, second = ([index for rank in seen for batch in rank[part] for index in batch] for part in PASSES)
    assert sorted(first) == sorted(second) == list(range(12)) and first != second


PASSES = (slice(0, 2), slice(2, 4))  # two iterations of two processes with three images each see twelve


def test_a_run_that_goes_on_sees_the_images_that_it_would_have_seen():
    whole, later = iter(EndlessBatches(5, 2, seed=1, first=0)), iter(EndlessBatches(5, 2, seed=1, first=3))
    batches = [next(whole) for _ in range(6)]
    for batch in batches[3:]:
        other = next(later)
        assert (other.indices, other.numbers) == (batch.indices, batch.numbers)


# runs -----------------------------------------------------------------------------------------------------------------
def test_a_run_learns_from_them_and_goes_on_as_if_it_had_not_been_interrupted(make_runner, images, tmp_path):
    def run(folder, epochs, *hooks, **options):
        make_runner(epochs, folder, repeat=2, custom_hooks=list(hooks), **options).train()
        return torch.load(tmp_path / folder / f'epoch_{epochs}.pth')['state_dict']

    hook = dict(type='mmrazor.UnlabelledHook', dataset=dataset(images), batch_size=2, num_workers=0)
    without, whole, first = run('without', 2), run('whole', 2, hook), run('first', 1, hook)
    assert not torch.equal(without['neck.fpn_convs.0.conv.weight'], whole['neck.fpn_convs.0.conv.weight'])
    resumed = run('resumed', 2, hook, resume=True, load_from=str(tmp_path / 'first/epoch_1.pth'))
    assert all(torch.equal(resumed[name], value) for name, value in whole.items()) and first.keys() == whole.keys()


def test_a_training_without_distillation_is_refused(make_runner, images, retinanet):
    runner = make_runner(1, 'plain', custom_hooks=[UnlabelledHook(dataset(images), 1, 0)])
    runner.model = MODELS.build(dict(retinanet, _scope_='mmdet'))
    with pytest.raises(ValueError, match='the model is a RetinaNet, which learns nothing'):
        runner.call_hook('before_run')


def test_in_several_processes_a_backbone_that_is_recomputed_is_refused_and_a_flow_is_not(config, images, monkeypatch):
    hook = UnlabelledHook(dataset(images), 1, 0)
    model = MODELS.build(config)
    (flow,) = find_flows(model)
    flow.with_cp = True
    recomputed = copy.deepcopy(model)
    recomputed.architecture.backbone.layer4[0].with_cp = True
    hook.check(SimpleNamespace(model=recomputed))
    monkeypatch.setattr(unlabelled_hook, 'get_world_size', lambda: 2)
    hook.check(SimpleNamespace(model=model))
    with pytest.raises(ValueError, match='but got 2 processes and `with_cp` in backbone of the student; leave'):
        hook.check(SimpleNamespace(model=recomputed))
