import pytest
from mmengine.config import Config
from torch import nn

from mmfmkt.engine.preflight import check_data
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
