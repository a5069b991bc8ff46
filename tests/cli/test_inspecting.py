"""The report of a data set, by the tool that people start."""

import runpy
import sys

import cv2
import pytest
from commands import ROOT
from own_data import BOXES, CLASSES, IMAGES, dataset, write


@pytest.fixture
def inspected(tmp_path, monkeypatch, capsys):
    """What the tool prints of data sets, and with which status it ends."""

    def look(*options, evaluator=None, test_evaluator=None, **splits):
        config = tmp_path / 'config.py'
        lines = [f'{split}_dataloader = dict(dataset={each!r})\n' for split, each in splits.items()]
        config.write_text(''.join([*lines, f'val_evaluator = {evaluator!r}\ntest_evaluator = {test_evaluator!r}\n']))
        arguments = ['inspect_data.py', str(config), '--out', str(tmp_path / 'data.png'), *options]
        monkeypatch.setattr(sys, 'argv', arguments)
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / 'tools/inspect_data.py'), run_name='__main__')
        return stop.value.code, capsys.readouterr().out

    return look


def packed(file, **settings):
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=(96, 72), keep_ratio=True),
        dict(type='PackDetInputs'),
    ]
    return dict(dataset(file, **settings), pipeline=pipeline)


def test_data_as_they_should_be_are_counted_and_drawn(inspected, tmp_path):
    train, val = (packed(write(tmp_path / name, name)) for name in ('train', 'val'))
    repeated = dict(type='RepeatDataset', times=3, dataset=train)
    status, printed = inspected('--num-images', '2', train=repeated, val=val)
    assert status == 0 and 'Nothing is odd.' in printed
    for label, name in enumerate(CLASSES):
        (row,) = (line for line in printed.splitlines() if f'{label}: {name}' in line)
        assert row.count(str(IMAGES)) == 2
    picture = cv2.imread(str(tmp_path / 'data.png'))
    assert picture.shape[0] > 300 and len(BOXES) == len(CLASSES)


def test_an_error_is_printed_and_the_status_says_so(inspected, tmp_path):
    status, printed = inspected(train=packed(write(tmp_path, 'train'), classes=('dog', 'cat')))
    assert status == 1 and '- **error**: MMDetection numbers classes in the order' in printed
    assert not (tmp_path / 'data.png').exists()


def test_a_warning_is_printed_with_its_number(inspected, tmp_path):
    file = write(tmp_path, 'train', lambda content: content['images'].pop())
    status, printed = inspected(train=packed(file))
    assert status == 0 and '- warning: ' in printed and '2 annotations are of an `image_id`' in printed


def test_a_test_split_that_is_that_of_the_validation_is_looked_at_once(inspected, tmp_path):
    val = packed(write(tmp_path, 'val'))
    _, printed = inspected(val=val, test=val)
    assert 'val: ' in printed and 'test: ' not in printed


def test_data_that_are_not_there_are_named(inspected, tmp_path):
    status, _ = inspected(train=packed(tmp_path / 'no.json'))
    assert 'the annotation file' in status and 'must exist' in status
    status, _ = inspected()
    assert 'must have a `train_dataloader`' in status


def test_a_file_that_is_not_cocos_is_named(inspected, tmp_path):
    file = write(tmp_path, 'train', lambda content: content['annotations'][0].pop('area'))
    status, _ = inspected(train=packed(file))
    assert "the data of `train_dataloader` could not be read: KeyError: 'area'" in status


@pytest.mark.parametrize('wrap', [lambda inner: inner, lambda inner: dict(type='ConcatDataset', datasets=[inner] * 2)])
def test_data_that_are_read_late_are_looked_at(inspected, tmp_path, wrap):
    late = packed(write(tmp_path, 'train'), classes=('dog', 'cat'), lazy_init=True)
    status, printed = inspected(train=wrap(late))
    assert status == 1 and '- **error**: MMDetection numbers classes in the order' in printed


def test_a_file_that_is_not_whole_is_named(inspected, tmp_path):
    file = write(tmp_path, 'train')
    file.write_text(file.read_text()[:300])
    status, _ = inspected(train=packed(file))
    assert 'train.json must be JSON from its beginning to its end' in status


def test_a_category_without_a_name_is_named(inspected, tmp_path):
    file = write(tmp_path, 'train', lambda content: content['categories'][0].pop('name'))
    status, _ = inspected(train=packed(file))
    assert "KeyError: 'name'" in status and 'categories with id and name' in status


FILTERED = dict(filter_cfg=dict(filter_empty_gt=True, min_size=32))


@pytest.mark.parametrize(
    'metainfo, classes', [(dict(classes=('bike', 'car')), 'bike, car'), ({}, 'person, bicycle, car, motorcycle, ...')]
)
def test_no_category_with_the_name_of_a_class_is_told_where_no_image_is_left(inspected, tmp_path, metainfo, classes):
    file = write(tmp_path, 'train', categories=[dict(id=1, name='helmet'), dict(id=2, name='vest')])
    status, _ = inspected(train=dict(packed(file, **FILTERED), metainfo=metainfo))
    assert f'the categories are helmet, vest, and the classes {classes}; set `metainfo' in status


def test_ids_as_text_are_told_where_no_image_is_left(inspected, tmp_path):
    file = write(
        tmp_path,
        'train',
        lambda content: [each.update(image_id=str(each['image_id'])) for each in content['annotations']],
    )
    status, _ = inspected(train=packed(file, **FILTERED))
    assert "because '1' is not 1: write both as numbers" in status


def test_the_advice_on_a_voc_data_set_names_no_keys_of_coco(inspected, tmp_path):
    for folder in ('Annotations', 'ImageSets/Main'):
        (tmp_path / 'VOC2007' / folder).mkdir(parents=True)
    (tmp_path / 'VOC2007/Annotations/a.xml').write_text('<annotation></annotation>')
    (tmp_path / 'VOC2007/ImageSets/Main/train.txt').write_text('a')
    of_voc = dict(packed(tmp_path / 'VOC2007/ImageSets/Main/train.txt'), type='VOCDataset')
    status, _ = inspected(train=dict(of_voc, data_prefix=dict(sub_data_root=f'{tmp_path}/VOC2007/')))
    assert 'what its type reads' in status and 'iscrowd' not in status


def test_an_evaluator_that_does_not_fit_the_data_is_an_error(inspected, tmp_path):
    file = write(tmp_path, 'val', lambda content: content['annotations'][0].pop('iscrowd'))
    for evaluator, said in (
        (dict(type='CocoMetric', ann_file=str(file)), 'must have `iscrowd`'),
        (
            [dict(type='CocoMetric', ann_file=str(tmp_path / 'no.json'))],
            '`val_evaluator` cannot be built: FileNotFound',
        ),
    ):
        status, printed = inspected(val=packed(file), evaluator=evaluator)
        assert status == 1 and '- **error**: ' in printed and said in printed


def test_an_evaluator_that_fits_and_no_picture_are_fine(inspected, tmp_path):
    file = write(tmp_path, 'val')
    evaluator = dict(type='CocoMetric', ann_file=str(file))
    status, printed = inspected('--num-images', '0', val=packed(file), evaluator=evaluator)
    assert status == 0 and 'Nothing is odd.' in printed and not (tmp_path / 'data.png').exists()


def test_metrics_of_other_kinds_are_not_built_because_some_remove_files_when_they_begin(inspected, tmp_path):
    results = tmp_path / 'cityscapes/results'
    results.mkdir(parents=True)
    file = write(tmp_path, 'val')
    evaluator = [
        dict(type='CocoMetric', ann_file=str(file)),
        dict(type='CityScapesMetric', outfile_prefix=str(results.parent), seg_prefix=''),
    ]
    status, printed = inspected(val=packed(file), evaluator=evaluator)
    assert status == 0 and 'Nothing is odd.' in printed and results.exists()


def test_the_evaluator_of_a_test_on_the_data_of_the_validation_is_looked_at(inspected, tmp_path):
    file = write(tmp_path, 'val')
    other = write(tmp_path / 'train', 'train', lambda content: content['images'][0].update(file_name='other.png'))
    val = packed(file)
    good, bad = (dict(type='CocoMetric', ann_file=str(each)) for each in (file, other))
    status, printed = inspected(val=val, test=val, evaluator=good, test_evaluator=bad)
    assert status == 1 and 'is other.png there, and 0.png in' in printed
