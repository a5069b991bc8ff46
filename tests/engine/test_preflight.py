import pytest
from mmengine.config import Config
from torch import nn

from mmfmkt.engine.preflight import check_classes, check_data


def loader(root, **changes):
    dataset = dict(type='mmdet.CocoDataset', data_root=str(root), ann_file='annotations/val.json',
                   data_prefix=dict(img='val/'), metainfo=dict(classes=tuple('0123456789')))
    return dict(dataset=dict(dataset, **changes))


def head(num_classes):
    module = nn.Module()
    module.num_classes = num_classes
    return nn.ModuleDict(dict(bbox_head=module))


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


def test_data_elsewhere_is_left_to_mmengine():
    check_data(Config(dict(train_dataloader=loader('s3://bucket/data/'))), 'train_dataloader')


def test_classes_of_the_data_set_type_count_where_the_config_names_none(digits):
    cfg = Config(dict(train_dataloader=loader(digits, metainfo=None)))
    check_classes(head(80), cfg, 'train_dataloader')
    with pytest.raises(ValueError, match=r'has 80 classes \(person, .*num_classes=\[10\]'):
        check_classes(head(10), cfg, 'train_dataloader')


def test_an_rpn_has_one_class_whatever_the_data(digits):
    model = head(10)
    model['rpn_head'] = nn.Module()
    model['rpn_head'].num_classes = 1
    check_classes(model, Config(dict(train_dataloader=loader(digits))), 'train_dataloader')
