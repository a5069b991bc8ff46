import json

import pytest
import torch
from mmdet.models.dense_heads import RPNHead
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmrazor.registry import MODELS
from torch import nn

from mmfmkt.cli.preflight import (
    build_data,
    check_data,
    check_kinds,
    check_launcher,
    check_optimizer,
    check_sampler,
    check_teacher_classes,
    check_tested_classes,
)
from mmfmkt.detectors.class_count import class_counts


def loader(root, **changes):
    dataset = dict(
        type='mmdet.CocoDataset', data_root=str(root), ann_file='annotations/val.json', data_prefix=dict(img='val/')
    )
    return dict(dataset=dict(dataset, **changes))


def test_data_that_is_there_passes(digits):
    check_data(Config(dict(train_dataloader=loader(digits))), 'train_dataloader', 'val_dataloader')


@pytest.mark.parametrize(
    'wrapper',
    [
        lambda inner: dict(type='RepeatDataset', times=2, dataset=inner),
        lambda inner: dict(type='ConcatDataset', datasets=[inner]),
    ],
)
def test_data_is_looked_for_inside_wrappers(digits, wrapper):
    cfg = Config(dict(train_dataloader=dict(dataset=wrapper(loader(digits, ann_file='no.json')['dataset']))))
    with pytest.raises(FileNotFoundError, match='train_dataloader: the annotation file .*no.json must exist'):
        check_data(cfg, 'train_dataloader')


@pytest.mark.parametrize('elsewhere', [dict(data_root='s3://bucket/'), dict(backend_args=dict(backend='petrel'))])
def test_data_elsewhere_is_left_to_mmengine(elsewhere):
    check_data(Config(dict(train_dataloader=loader('nowhere', **elsewhere))), 'train_dataloader')


def test_box_and_mask_heads_count_and_rpns_and_semantic_heads_do_not():

    def head(num_classes):
        module = nn.Module()
        module.num_classes = num_classes
        return module

    roi_head = nn.ModuleDict(
        dict(bbox_head=nn.ModuleList([head(10), head(10)]), mask_head=head(10), semantic_head=head(183))
    )
    assert class_counts(nn.ModuleDict(dict(rpn_head=head(1), roi_head=roi_head))) == {10}
    assert class_counts(nn.ModuleDict(dict(bbox_head=RPNHead(in_channels=4)))) == set()  # of an RPN by itself
    detector = nn.ModuleDict(dict(bbox_head=head(256)))
    detector.language_model = nn.Identity()
    assert class_counts(detector) == set()


@pytest.fixture
def distillation(theta, teacher_ckpt):
    """An algorithm whose teacher's checkpoint names these classes."""

    def build(**meta):
        torch.save(dict(torch.load(teacher_ckpt), meta=meta), teacher_ckpt)
        return MODELS.build(theta)

    return build


@pytest.mark.parametrize(
    'meta',
    [
        dict(dataset_meta=dict(classes=('Cat', 'hot_dog'))),
        dict(CLASSES=['cat', 'hot dog']),
        {},
        dict(dataset_meta=dict(CLASSES=('cat', 'hot-dog'))),
    ],
)
def test_a_teacher_of_the_same_classes_or_of_unknown_ones_passes(distillation, meta):
    check_teacher_classes(distillation(**meta), ('cat', 'hot dog'))


def test_names_that_mean_the_same_can_be_declared_so(distillation, theta):
    theta.check_classes = False
    check_teacher_classes(distillation(CLASSES=('feline', 'canine')), ('cat', 'dog'))


@pytest.mark.parametrize('classes, differ', [(('dog', 'cat'), 'dog and cat'), (('cat', 'bird'), 'bird and dog')])
@pytest.mark.parametrize('key', ['classes', 'CLASSES'])
def test_a_teacher_of_other_classes_or_of_another_order_is_refused(distillation, classes, differ, key):
    with pytest.raises(
        ValueError, match=rf'names 2 \({", ".join(classes)}, ...\).*the first that differ are {differ}; train'
    ):
        check_teacher_classes(distillation(dataset_meta={key: classes}), ('cat', 'dog'))


def test_a_teacher_of_more_classes_is_refused(distillation):
    with pytest.raises(ValueError, match='names 3 .* and the data set 2'):
        check_teacher_classes(distillation(CLASSES=('cat', 'dog', 'bird')), ('cat', 'dog'))


@pytest.mark.parametrize(
    'meta', [{}, dict(dataset_meta=dict(classes=('Cat', 'hot-dog'))), dict(CLASSES=['cat', 'hot dog'])]
)
def test_a_checkpoint_of_the_tested_classes_or_of_unknown_ones_passes(meta, caplog):
    check_tested_classes(meta, ('cat', 'hot dog'), 'a.pth')


def test_a_checkpoint_of_the_tested_classes_in_another_order_is_refused():
    meta = dict(dataset_meta=dict(classes=('dog', 'cat')))
    with pytest.raises(ValueError, match='that a.pth was trained on, in their order, dog, cat, but are cat, dog;'):
        check_tested_classes(meta, ('cat', 'dog'), 'a.pth')


def test_a_checkpoint_of_other_classes_than_are_tested_is_told(caplog):
    MMLogger.get_current_instance().addHandler(caplog.handler)
    check_tested_classes(dict(dataset_meta=dict(classes=('bird', 'cat'))), ('cat', 'dog'), 'a.pth')
    assert 'a.pth was trained on, in their order, bird, cat, but are cat, dog' in caplog.text


def test_learning_rates_that_decay_by_layer_are_refused():
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper')))
    check_optimizer(cfg)
    cfg.optim_wrapper.constructor = 'LearningRateDecayOptimizerConstructor'
    with pytest.raises(
        ValueError, match='must not be one that decays learning rates by layer.*but got LearningRateDecay'
    ):
        check_optimizer(cfg)


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(train_cfg=3), '`train_cfg` must be a dict, but got 3'),
        (dict(default_hooks=True), '`default_hooks` must be a dict, but got True'),
        (dict(custom_hooks=[3]), r'`custom_hooks` must be a list of dict\(type=...\), but got \[3\]'),
        (dict(model=None), 'must be that of a detector, with a `model`, but it has model, x'),
    ],
)
def test_settings_of_another_kind_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        check_kinds(Config(dict(dict(model=dict(type='RetinaNet'), x=1), **settings)))


def test_several_processes_that_nobody_has_started_are_refused(monkeypatch):
    monkeypatch.setenv('MASTER_ADDR', 'first')
    for launcher, variable in (('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'), ('mpi', 'OMPI_COMM_WORLD_RANK')):
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(
            ValueError, match=f'--launcher {launcher} must be started by .*, but {variable} is not in the'
        ):
            check_launcher(launcher)
        monkeypatch.setenv(variable, '0')
        check_launcher(launcher)
    check_launcher('none')
    monkeypatch.delenv('MASTER_ADDR')
    with pytest.raises(ValueError, match='mpi must be started by mpirun .* but MASTER_ADDR is not in the'):
        check_launcher('mpi')


@pytest.fixture
def runner_on(make_runner, digits, tmp_path):
    """A runner on changed annotations."""

    def make(change, **settings):
        annotations = json.loads((digits / 'annotations/train.json').read_text())
        change(annotations)
        (tmp_path / 'changed.json').write_text(json.dumps(annotations))
        dataset = dict(
            type='CocoDataset',
            ann_file=str(tmp_path / 'changed.json'),
            data_prefix=dict(img=f'{digits}/train/'),
            metainfo=dict(classes=tuple('0123456789')),
            pipeline=[],
            **settings,
        )
        loader = dict(dataset=dataset)
        return make_runner(1, 'run', train_dataloader=loader, cfg=dict(train_dataloader=loader))

    return make


@pytest.mark.parametrize(
    'change, reason',
    [
        (lambda annotations: annotations['annotations'][0].pop('area'), "KeyError: 'area'"),
        (lambda annotations: annotations['images'][0].pop('id'), "KeyError: 'id'"),
        (lambda annotations: annotations.update(categories=None), 'TypeError'),
    ],
)
def test_annotations_that_are_not_cocos_are_named(runner_on, change, reason):
    with pytest.raises(
        ValueError, match=f'data of `train_dataloader` could not be read: {reason}.*has .*changed.json images with'
    ):
        build_data(runner_on(change), 'train')


@pytest.mark.parametrize(
    'change, settings, said',
    [
        (lambda annotations: annotations['images'].clear(), {}, 'no image is left of the 0, with .* of .*changed.json'),
        (
            lambda annotations: None,
            dict(filter_cfg=dict(filter_empty_gt=True, min_size=4000)),
            r"no image is left of the 24, .*does `filter_cfg`, {.*'min_size': 4000}, leave an image",
        ),
    ],
)
def test_data_of_which_no_image_is_left_say_how_many_there_were(runner_on, change, settings, said):
    with pytest.raises(ValueError, match=said):
        build_data(runner_on(change, **settings), 'train')


def test_a_loader_that_cannot_be_built_asks_nothing_about_annotations(digits, make_runner):
    broken = dict(
        dataset=dict(loader(digits)['dataset'], metainfo=dict(classes=tuple('0123456789')), pipeline=[]),
        num_workers=0,
        persistent_workers=True,
    )
    runner = make_runner(1, 'run', train_dataloader=broken, cfg=dict(train_dataloader=broken))
    with pytest.raises(ValueError) as error:
        build_data(runner, 'train')
    assert 'persistent_workers' in str(error.value) and '?' not in str(error.value)


def test_a_list_of_annotation_files_is_refused_with_the_type_that_takes_several(digits):
    several = loader(digits, ann_file=['a.json', 'b.json'])
    with pytest.raises(ValueError, match='must be the name of one file, .*ConcatDataset'):
        check_data(Config(dict(train_dataloader=several)), 'train_dataloader')


@pytest.mark.parametrize(
    'loop', [dict(max_epochs=1), dict(type='EpochBasedTrainLoop', max_epochs=1), dict(by_epoch=True, max_epochs=1)]
)
def test_a_sampler_without_an_end_is_refused_for_a_training_by_epochs(loop):
    cfg = Config(dict(train_dataloader=dict(sampler=dict(type='InfiniteSampler')), train_cfg=loop))
    with pytest.raises(ValueError, match='the first epoch never ends'):
        check_sampler(cfg)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=9)
    check_sampler(cfg)
    check_sampler(Config(dict(train_dataloader=dict(sampler=dict(type='DefaultSampler')), train_cfg=loop)))
