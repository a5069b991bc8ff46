"""Random numbers by the place in a run; errors of images by their names."""

import json
import os
import random
import shutil
import signal
import time

import numpy as np
import pytest
import torch
from mmdet.datasets.samplers import AspectRatioBatchSampler
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmengine.registry import FUNCTIONS
from mmengine.runner import FlexibleRunner, Runner
from mmengine.structures import InstanceData
from PIL import Image
from torch.utils.data import Dataset

from mmfmkt.engine.loading.sample_errors import NamedSamples, SampleError, name_samples
from mmfmkt.engine.loading.seeded_batches import seeded_loader
from mmfmkt.engine.loading.seeding import derived_seed, seed_generators, seeded
from mmfmkt.engine.loading.workers import protect_workers


class Draws(Dataset):
    """Every item is what the three generators of its process draw."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return index, random.random(), np.random.rand(), torch.rand(()).item()


def loader_of(num_workers=0, **options):
    config = dict(
        batch_size=3,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        dataset=Draws(),
        sampler=dict(type='DefaultSampler', shuffle=True),
        **options,
    )
    return Runner.build_dataloader(seeded_loader(config, seed=4), seed=4)


def drawn(loader, number=0, first=0):
    loader.batch_sampler.start_at(number, first)
    return [tuple(map(tuple, batch)) for batch in loader]


def test_seeds_of_different_numbers_differ():
    seeds = {derived_seed(*numbers) for numbers in [(0, 1), (1, 0), (0, 1, 0), (0,), (1,), (0, 0), (2**31, 5)]}
    assert len(seeds) == 7 and all(0 <= seed < 2**32 for seed in seeds)


def test_all_generators_follow_the_numbers():

    def draw():
        return random.random(), np.random.rand(), torch.rand(()).item()

    seed_generators(3, 7)
    first = draw()
    seed_generators(3, 8)
    assert all(one != other for one, other in zip(first, draw()))
    seed_generators(3, 7)
    assert draw() == first


def test_generators_outside_go_on_as_if_nothing_had_been_drawn():
    seed_generators(1)
    with seeded(5):
        inside = torch.rand(3), np.random.rand(), random.random()
    outside = torch.rand(3), np.random.rand(), random.random()
    seed_generators(1)
    assert torch.equal(outside[0], torch.rand(3)) and outside[1:] == (np.random.rand(), random.random())
    assert not torch.equal(inside[0], outside[0])


@pytest.mark.parametrize('num_workers', [1, 2])
def test_what_images_draw_does_not_depend_on_the_workers(num_workers):
    assert drawn(loader_of(num_workers)) == drawn(loader_of(0))


def test_every_image_of_every_pass_draws_something_else():
    loader = loader_of()
    passes = [drawn(loader, number) for number in (0, 1)]
    values = [value for batches in passes for batch in batches for value in batch[1]]
    assert len(set(values)) == len(values) == 20


def test_a_pass_that_begins_in_the_middle_is_the_rest_of_the_whole():
    loader = loader_of(2)
    assert drawn(loader, 1, 2) == drawn(loader_of(0), 1)[2:] and len(loader) == 4


def test_passes_are_counted_where_nobody_does():
    loader = loader_of()
    first, second = drawn(loader, 0), [tuple(map(tuple, batch)) for batch in loader]
    assert second == drawn(loader, 1) != first


@pytest.mark.parametrize('drop_last, batches', [(False, [3, 3, 3, 1]), (True, [3, 3, 3])])
def test_a_last_batch_that_is_not_full_can_be_left_out(drop_last, batches):
    assert [len(batch[0]) for batch in drawn(loader_of(drop_last=drop_last))] == batches


def test_another_batch_sampler_makes_the_batches(digits):
    images = dataset(digits, nothing)
    config = dict(
        batch_size=5,
        num_workers=0,
        dataset=images,
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_sampler=dict(type='AspectRatioBatchSampler', drop_last=True),
    )
    sampler = Runner.build_dataloader(seeded_loader(config, 0), seed=0).batch_sampler
    assert isinstance(sampler.batches, AspectRatioBatchSampler)
    assert [batch.indices for batch in sampler] == [list(range(start, start + 5)) for start in (0, 5, 10, 15)]


class Pids(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return os.getpid()


def test_workers_survive_the_sigterm_of_a_scheduler_and_end_with_their_parent():
    loader = torch.utils.data.DataLoader(Pids(), num_workers=1, persistent_workers=True)
    protect_workers(loader)
    worker = next(iter(loader)).item()
    sender = os.fork()
    if not sender:  # a process that is not the parent
        os.kill(worker, signal.SIGTERM)
        os._exit(0)
    os.waitpid(sender, 0)
    time.sleep(0.3)
    assert {pid.item() for pid in loader} == {worker}
    os.kill(worker, signal.SIGTERM)
    loader._iterator._workers[0].join(timeout=10)
    assert not loader._iterator._workers[0].is_alive()
    loader._iterator = None


@FUNCTIONS.register_module()
def begin(worker, number):
    os.environ['BEGUN'] = str(number)


class Begun(Pids):
    def __getitem__(self, index):
        return os.environ['BEGUN'], signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize('kind', [Runner, FlexibleRunner])  # which takes names alone
@pytest.mark.parametrize('function', [begin, 'begin'])
def test_workers_that_begin_with_a_function_of_their_own_survive_it_too(function, kind):
    sampler = dict(type='DefaultSampler', shuffle=False)
    config = dict(batch_size=1, num_workers=1, dataset=Begun(), sampler=sampler)
    config['worker_init_fn'] = dict(type=function, number=3)
    loader = kind.build_dataloader(seeded_loader(config, 0), seed=0)
    assert next(iter(loader)) == [('3',), (True,)]
    assert config['worker_init_fn'] == dict(type=function, number=3)


def dataset(root, change, wrap=None):
    """The training scenes with changed annotations."""
    file = root / 'annotations' / 'train.json'
    annotations = json.loads(file.read_text())
    changed = root / 'annotations' / 'changed.json'
    change(annotations)
    changed.write_text(json.dumps(annotations))
    config = dict(
        type='CocoDataset',
        data_root=f'{root}/',
        ann_file='annotations/changed.json',
        data_prefix=dict(img='train/'),
        metainfo=dict(classes=tuple('0123456789')),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(64, 64)),
            dict(type='PackDetInputs'),
        ],
    )
    built = DATASETS.build(wrap(config) if wrap else config)
    name_samples(built)
    return built


def nothing(annotations):
    pass


@pytest.fixture
def scenes(digits, tmp_path):
    """A copy of the scenes that may be damaged."""
    shutil.copytree(digits, tmp_path / 'scenes')
    return tmp_path / 'scenes'


MASKS = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
DAMAGES = {
    'missing': lambda file: file.unlink(),
    'empty': lambda file: file.write_bytes(b''),
    'cut': lambda file: file.write_bytes(file.read_bytes()[:-500]),
    'no image': lambda file: file.write_bytes(b'not an image' * 100),
}


@pytest.mark.parametrize('damage', DAMAGES)
@pytest.mark.parametrize(
    'wrap',
    [
        None,
        lambda inner: dict(type='RepeatDataset', times=2, dataset=inner),
        lambda inner: dict(type='ConcatDataset', datasets=[inner]),
    ],
)
def test_an_image_that_cannot_be_read_is_named(scenes, damage, wrap):
    file = sorted((scenes / 'train').glob('*.jpg'))[0]
    DAMAGES[damage](file)
    images = dataset(scenes, nothing, wrap)
    with pytest.raises(
        SampleError, match=f'{file} must be a readable image with annotations, but it is not: .*; repair it'
    ) as error:
        images[0]
    assert '\n' not in str(error.value)


def test_a_transform_that_fails_is_named_and_not_the_image(scenes):
    images = dataset(scenes, nothing, lambda inner: dict(inner, pipeline=[inner['pipeline'][0], MASKS]))
    with pytest.raises(
        SampleError, match="jpg must have .* but LoadAnnotations fails: KeyError: 'mask'; change the pipeline"
    ):
        images[0]


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'CMYK', 'I;16', '1', 'P'])
def test_images_of_any_mode_have_three_channels(scenes, mode):
    file = sorted((scenes / 'train').glob('*.jpg'))[0]
    image = Image.open(file)
    if mode == 'I;16':
        image = Image.fromarray(np.asarray(image.convert('L')).astype(np.uint16) * 256)
    (image if mode == 'I;16' else image.convert(mode)).save(file, 'JPEG' if mode == 'CMYK' else 'PNG')
    assert dataset(scenes, nothing)[0]['inputs'].shape == (3, 64, 64)


@pytest.mark.parametrize('number', [float('nan'), float('inf')])
@pytest.mark.parametrize('entry', range(4))
def test_coco_boxes_that_are_no_numbers_do_not_reach_the_training(scenes, number, entry):

    def change(annotations):
        annotations['annotations'][0]['bbox'][entry] = number

    images = dataset(scenes, change)
    for index in range(len(images)):
        assert images[index]['data_samples'].gt_instances.bboxes.tensor.isfinite().all()


def test_boxes_of_other_data_sets_that_are_no_numbers_are_named():
    sample = DetDataSample(gt_instances=InstanceData(bboxes=torch.tensor([[0, 0, float('nan'), 5]])))
    pipeline = NamedSamples(lambda info: dict(data_samples=sample))
    with pytest.raises(
        SampleError, match=r'a.jpg must have boxes of finite numbers, but got \[\[0.0, 0.0, nan, 5.0\]\]'
    ):
        pipeline(dict(img_path='a.jpg'))


def test_a_named_pipeline_is_still_the_pipeline(digits):
    images = dataset(digits, nothing)
    assert len(images.pipeline.transforms) == 4 and 'Compose' in repr(images.pipeline.pipeline)
