import pytest
import torch
from mmengine.config import Config
from mmrazor.registry import MODELS
from torch import nn

from mmfmkt.engine.checkpoint_files import read_resumable
from mmfmkt.engine.preflight import check_data, check_optimizer, check_resumable, check_teacher_classes
from mmfmkt.models.class_count import class_counts


def loader(root, **changes):
    dataset = dict(type='mmdet.CocoDataset', data_root=str(root), ann_file='annotations/val.json',
                   data_prefix=dict(img='val/'))
    return dict(dataset=dict(dataset, **changes))


def test_data_that_is_there_passes(digits):
    check_data(Config(dict(train_dataloader=loader(digits))), 'train_dataloader', 'val_dataloader')


@pytest.mark.parametrize('wrapper', [
    lambda inner: dict(type='RepeatDataset', times=2, dataset=inner),
    lambda inner: dict(type='ConcatDataset', datasets=[inner]),
])
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

    roi_head = nn.ModuleDict(dict(bbox_head=nn.ModuleList([head(10), head(10)]), mask_head=head(10), semantic_head=head(183)))
    assert class_counts(nn.ModuleDict(dict(rpn_head=head(1), roi_head=roi_head))) == {10}


@pytest.fixture
def distillation(theta, teacher_ckpt):
    """An algorithm whose teacher's checkpoint names these classes."""

    def build(**meta):
        torch.save(dict(torch.load(teacher_ckpt), meta=meta), teacher_ckpt)
        return MODELS.build(theta)

    return build


@pytest.mark.parametrize('meta', [dict(dataset_meta=dict(classes=('Cat', 'hot_dog'))), dict(CLASSES=['cat', 'hot dog']), {},
                                  dict(dataset_meta=dict(CLASSES=('cat', 'hot-dog')))])
def test_a_teacher_of_the_same_classes_or_of_unknown_ones_passes(distillation, meta):
    check_teacher_classes(distillation(**meta), ('cat', 'hot dog'))


def test_names_that_mean_the_same_can_be_declared_so(distillation, theta):
    theta.check_classes = False
    check_teacher_classes(distillation(CLASSES=('feline', 'canine')), ('cat', 'dog'))


@pytest.mark.parametrize('classes, differ', [(('dog', 'cat'), 'dog and cat'), (('cat', 'bird'), 'bird and dog')])
@pytest.mark.parametrize('key', ['classes', 'CLASSES'])
def test_a_teacher_of_other_classes_or_of_another_order_is_refused(distillation, classes, differ, key):
    with pytest.raises(ValueError, match=rf'names 2 \({", ".join(classes)}, ...\).*the first that differ are {differ}; train'):
        check_teacher_classes(distillation(dataset_meta={key: classes}), ('cat', 'dog'))


def test_a_teacher_of_more_classes_is_refused(distillation):
    with pytest.raises(ValueError, match='names 3 .* and the data set 2'):
        check_teacher_classes(distillation(CLASSES=('cat', 'dog', 'bird')), ('cat', 'dog'))


def test_learning_rates_that_decay_by_layer_are_refused():
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper')))
    check_optimizer(cfg)
    cfg.optim_wrapper.constructor = 'LearningRateDecayOptimizerConstructor'
    with pytest.raises(ValueError, match='must not be one that decays learning rates by layer.*but got LearningRateDecay'):
        check_optimizer(cfg)


@pytest.mark.parametrize('change, lacks', [
    (lambda checkpoint: checkpoint.pop('optimizer'), 'an optimizer'),
    (lambda checkpoint: checkpoint.pop('distiller'), 'the weights of distiller.connectors.flow'),
    (lambda checkpoint: checkpoint['state_dict'].popitem(), 'the weights of bbox_head'),
])
def test_a_checkpoint_of_another_run_is_not_gone_on_from(make_runner, tmp_path, change, lacks):
    runner, file = make_runner(1, 'run'), tmp_path / 'run' / 'epoch_1.pth'
    runner.train()
    check_resumable(runner.model, read_resumable(str(file)))
    checkpoint = torch.load(file)
    change(checkpoint)
    torch.save(checkpoint, file)
    with pytest.raises(ValueError, match=f'lacks {lacks}.*; to start from the weights of another, set load_from'):
        check_resumable(runner.model, read_resumable(str(file)))
