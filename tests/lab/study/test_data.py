import json

import pytest
from mmengine.config import Config

from mmfmkt.lab.study.data import CocoFolder, own_data


def test_own_data_that_lacks_something_is_refused_with_its_name(digits, tmp_path):
    assert own_data(str(digits)).classes() == tuple('0123456789')
    with pytest.raises(FileNotFoundError, match='not there: .*train, .*val, .*train.json, .*val.json'):
        own_data(str(tmp_path))


def write_annotations(root, train, val):
    for folder in ('train', 'val', 'annotations'):
        (root / folder).mkdir()
    (root / 'annotations' / 'train.json').write_text(train)
    (root / 'annotations' / 'val.json').write_text(val)


@pytest.mark.parametrize(
    'text, message',
    [
        ('{"images": []}', 'must be COCO JSON with "categories"'),
        ('{"categories": [', 'must be COCO JSON with "categories"'),
        ('{"categories": [{"id": 1, "name": "b"}, {"id": 0, "name": "a"}]}', 'must be the same, in the same order'),
    ],
)
def test_annotations_that_do_not_fit_are_refused(tmp_path, text, message):
    write_annotations(tmp_path, '{"categories": [{"id": 0, "name": "a"}]}', text)
    with pytest.raises(ValueError, match=message):
        own_data(str(tmp_path))


@pytest.mark.parametrize(
    'config, heads',
    [
        ('configs/demo/retinanet_r18.py', [('bbox_head',)]),
        ('configs/demo/pair.py', [('architecture', 'bbox_head')]),
        ('configs/demo/faster-rcnn_r34.py', [('roi_head', 'bbox_head')]),
    ],
)
def test_a_config_gets_the_data_and_its_number_of_classes_wherever_the_head_is(tmp_path, config, heads):
    names = json.dumps(dict(categories=[dict(id=k, name=name) for k, name in enumerate('abc')]))
    write_annotations(tmp_path, names, names)
    cfg = Config.fromfile(config)
    pipeline = cfg.train_dataloader.dataset.pipeline
    CocoFolder(tmp_path).put_into(cfg)
    for keys in heads:
        head = cfg.model
        for key in keys:
            head = head[key]
        assert head.num_classes == 3
    assert cfg.train_dataloader.dataset.metainfo.classes == ('a', 'b', 'c')
    assert cfg.val_dataloader.dataset.ann_file == 'annotations/val.json'
    assert cfg.test_evaluator.ann_file == str(tmp_path / 'annotations' / 'val.json')
    assert cfg.train_dataloader.dataset.pipeline == pipeline
