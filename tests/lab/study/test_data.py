import json
from pathlib import Path

import pytest
from mmengine.config import Config

from mmfmkt.lab.study.data import CocoFolder, own_data
from mmfmkt.lab.study.plan import Study
from mmfmkt.lab.study.run import Run
from mmfmkt.lab.study.study import do_study
from mmfmkt.lab.study.study_file import read_study


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


@pytest.mark.parametrize('images, times', [(1, 10), (3, 3), (4, 2), (7, 1), (10, 1), (30, 1)])
def test_a_data_set_with_few_images_is_repeated_until_an_epoch_is_about_as_long_as_asked_for(tmp_path, images, times):
    text = json.dumps(dict(categories=[dict(id=0, name='a')], images=[dict(id=k) for k in range(images)]))
    write_annotations(tmp_path, text, text)
    cfg = Config.fromfile('configs/demo/retinanet_r18.py')
    own_data(str(tmp_path), epoch_images=10).put_into(cfg)
    train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    assert (train.get('times', 1), val.type) == (times, 'CocoDataset')
    assert train.get('dataset', train).data_root == f'{tmp_path}/'


def test_the_images_of_an_epoch_that_a_study_asks_for_are_for_other_data_than_its_own(tmp_path, digits):
    file, text = tmp_path / 'study.yml', Path('configs/studies/digits.yml').read_text()
    file.write_text(text)
    own, other = (read_study(str(file), tmp_path, [0], data) for data in (None, own_data(str(digits))))
    assert {run.data.epoch_images for run in own.all_runs()} == {0}
    assert {run.data.epoch_images for run in other.all_runs()} == {2500}
    file.write_text(text.replace('epoch_images: 2500', 'epoch_images: many'))
    with pytest.raises(ValueError, match="`epoch_images` of a study must be a number from 1 on, but got 'many'"):
        read_study(str(file), tmp_path, [0], own_data(str(digits)))


@pytest.fixture
def data(tmp_path):
    """A data set with a split for testing."""
    categories = '{"categories": [{"id": 0, "name": "a"}]}'
    write_annotations(tmp_path, categories, categories)
    (tmp_path / 'test').mkdir()
    (tmp_path / 'annotations' / 'test.json').write_text(categories)
    return CocoFolder(tmp_path)


PLATEAU = dict(type='mmengine.ReduceOnPlateauLR', monitor='coco/bbox_mAP')


@pytest.mark.parametrize(
    'options, found',
    [
        ({'custom_hooks': [dict(type='EarlyStoppingHook', monitor='coco/bbox_mAP')]}, 'EarlyStoppingHook'),
        ({'param_scheduler': [dict(type='LinearLR', start_factor=0.1), PLATEAU]}, 'ReduceOnPlateauLR'),
        ({'param_scheduler': dict(_delete_=True, **PLATEAU)}, 'ReduceOnPlateauLR'),
    ],
)
def test_a_training_that_chooses_by_the_split_that_is_measured_is_refused_before_a_study_starts(
    data, tmp_path, options, found
):
    run = Run('student', 'student', 'configs/demo/retinanet_r18.py', options, tmp_path / 'out', data=data)
    with pytest.raises(ValueError, match=f'on the split that is measured, test, .*but student has {found}; set'):
        do_study(Study('A study', {}, {'student': {0: run}}, 'student', ()), tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    CocoFolder(data.root, 'val').check_choices(run.cfg, 'student')


def test_the_configs_of_the_demo_choose_by_nothing_and_saving_the_best_changes_no_figure(data):
    options = {'default_hooks.checkpoint.save_best': 'auto'}
    data.check_choices(Run('student', 'student', 'configs/demo/pair.py', options, data=data).cfg, 'student')
