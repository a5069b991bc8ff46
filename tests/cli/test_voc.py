"""From Pascal VOC to COCO, and into a data set of MMDetection."""

import argparse
import json

import cv2
import numpy as np
import pytest
from own_data import dataset, findings

from mmfmkt.cli.voc import convert

OBJECT = (
    '<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>'
    '<ymax>{}</ymax></bndbox></object>'
)
OBJECTS = [('cat', 0, 1, 1, 21, 11), ('dog', 0, 5, 6, 30, 40), ('cat', 1, 10, 10, 40, 40)]


@pytest.fixture
def voc(tmp_path):
    """Three images of 64x48 with two objects and a difficult one each, two to train on and one to validate."""
    root = tmp_path / 'voc'
    for folder in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
        (root / folder).mkdir(parents=True)
    for name in ('a', 'b', 'c'):
        cv2.imwrite(str(root / f'JPEGImages/{name}.jpg'), np.zeros((48, 64, 3), np.uint8))
        size = '<size><width>64</width><height>48</height><depth>3</depth></size>'
        objects = ''.join(OBJECT.format(*each) for each in OBJECTS)
        (root / f'Annotations/{name}.xml').write_text(f'<annotation>{size}{objects}</annotation>')
    (root / 'ImageSets/Main/train.txt').write_text('a\nb  1\n\n')
    (root / 'ImageSets/Main/val.txt').write_text('c\n')
    return root


def rename(voc, old, new):
    """Another name for an image, in a folder perhaps."""
    for file, suffix in (('JPEGImages', '.jpg'), ('Annotations', '.xml')):
        (voc / file / new).parent.mkdir(exist_ok=True)
        (voc / file / f'{old}{suffix}').rename(voc / file / f'{new}{suffix}')


def edit(voc, old, new):
    file = voc / 'Annotations/a.xml'
    file.write_text(file.read_text().replace(old, new))


def converted(voc, **options):
    args = argparse.Namespace(voc=str(voc), out=str(voc.parent / 'coco'), train=['train'], val=['val'], test=None)
    args.classes = None
    vars(args).update(options)
    return convert(args)


def test_the_data_set_of_a_voc_folder_has_no_findings_and_all_boxes(voc):
    train, val = converted(voc)
    parts = {
        split: dict(dataset(file), data_prefix=dict(img=str(voc.parent / 'coco' / split)))
        for split, file in (('train', train), ('val', val))
    }
    assert findings(**parts) == []
    content = json.loads(train.read_text())
    assert [image['file_name'] for image in content['images']] == ['a.jpg', 'b.jpg']
    assert content['categories'] == [dict(id=1, name='cat'), dict(id=2, name='dog')]
    first, second, difficult = content['annotations'][:3]
    # the pixel that VOC calls 1 is the pixel 0
    assert first == dict(id=1, image_id=1, category_id=1, bbox=[0, 0, 20, 10], area=200, iscrowd=0)
    assert second['bbox'] == [4, 5, 25, 34] and second['category_id'] == 2
    assert difficult['iscrowd'] == 1


def test_classes_have_the_order_that_is_given(voc):
    train, _ = converted(voc, classes=['dog', 'cat'])
    content = json.loads(train.read_text())
    assert content['categories'] == [dict(id=1, name='dog'), dict(id=2, name='cat')]
    assert content['annotations'][0]['category_id'] == 2


def test_several_lists_make_a_split(voc):
    (voc / 'ImageSets/Main/more.txt').write_text('c\n')
    (voc / 'ImageSets/Main/val.txt').write_text('b\n')
    (voc / 'ImageSets/Main/train.txt').write_text('a\n')
    train, _ = converted(voc, train=['train', 'more'])
    assert len(json.loads(train.read_text())['images']) == 2


def test_images_of_one_name_in_two_folders_stay_two_images(voc):
    rename(voc, 'a', 'x/a')
    rename(voc, 'b', 'y/a')
    cv2.imwrite(str(voc / 'JPEGImages/y/a.jpg'), np.full((48, 64, 3), 255, np.uint8))
    (voc / 'ImageSets/Main/train.txt').write_text('x/a\ny/a\n')
    train, _ = converted(voc)
    assert [image['file_name'] for image in json.loads(train.read_text())['images']] == ['x/a.jpg', 'y/a.jpg']
    means = [cv2.imread(str(voc.parent / f'coco/train/{name}/a.jpg')).mean() for name in 'xy']
    assert means == [0, 255]


@pytest.mark.parametrize('lists', [('train', 'trainval'), ('cat_train', 'dog_train')])
def test_an_image_of_two_lists_of_a_split_is_there_once(voc, capsys, lists):
    (voc / 'ImageSets/Main/trainval.txt').write_text('a\nb\n')
    (voc / 'ImageSets/Main/cat_train.txt').write_text('a  1\nb -1\n')
    (voc / 'ImageSets/Main/dog_train.txt').write_text('a -1\nb -1\n')
    train, _ = converted(voc, train=lists)
    content = json.loads(train.read_text())
    assert len(content['images']) == 2 and len(content['annotations']) == 6
    assert 'train: 2 images are named more than once, and taken once' in capsys.readouterr().out


def test_the_boxes_of_each_class_are_told(voc, capsys):
    converted(voc)
    assert 'train: 2 images; cat: 4, dog: 2' in capsys.readouterr().out


@pytest.mark.parametrize(
    'old, new',
    [
        ('<width>64</width>', '<width>64.0</width>'),
        ('<name>cat</name>', '<name> cat\n</name>'),
        ('<difficult>0</difficult>', '<difficult>Unspecified</difficult>'),
    ],
)
def test_what_tools_write_in_another_way_is_the_same(voc, old, new):
    expected = converted(voc)[0].read_text()
    edit(voc, old, new)
    assert converted(voc)[0].read_text() == expected


@pytest.mark.parametrize('suffix', ['.JPG', '.bmp', '.png'])
def test_an_image_with_another_suffix_is_found(voc, suffix):
    (voc / 'JPEGImages/a.jpg').rename(voc / f'JPEGImages/a{suffix}')
    assert json.loads(converted(voc)[0].read_text())['images'][0]['file_name'] == f'a{suffix}'


def test_objects_without_an_area_are_left_out_and_counted(voc, capsys):
    edit(voc, '<ymax>40</ymax>', '<ymax>6</ymax>')  # of the dog, from 6 to 6, and of a cat, from 10 to 6
    train, _ = converted(voc)
    content = json.loads(train.read_text())
    assert [box['image_id'] for box in content['annotations']] == [1, 2, 2, 2]
    assert [box['id'] for box in content['annotations']] == [1, 2, 3, 4]
    assert 'train: 2 objects are left out' in capsys.readouterr().out


@pytest.mark.parametrize(
    'spoil, options, error, said',
    [
        (lambda voc: None, dict(val=['train']), ValueError, '2 are in train and val, as a'),
        (lambda voc: None, dict(val=['nothing']), FileNotFoundError, 'nothing.txt'),
        (lambda voc: None, dict(classes=['cat']), ValueError, "must name every class, but a.jpg has an object 'dog'"),
        (lambda voc: (voc / 'JPEGImages/a.jpg').unlink(), {}, FileNotFoundError, 'a.xml must have an image'),
        (
            lambda voc: (voc / 'Annotations/a.xml').write_text('<annotation></annotation>'),
            {},
            ValueError,
            'a.jpg must state the size of the image',
        ),
        (
            lambda voc: (voc / 'Annotations/a.xml').write_text('<annotation>'),
            {},
            ValueError,
            'a.xml must be an XML file',
        ),
        (lambda voc: (voc / 'ImageSets/Main/train.txt').write_text('\n'), {}, ValueError, '--train must name lists'),
        (
            lambda voc: edit(voc, '<width>64<', '<width>?<'),
            {},
            ValueError,
            r"size of the image, but it has \['\?', '48",
        ),
        (lambda voc: edit(voc, '<xmax>21<', '<xmax>nan<'), {}, ValueError, r"a.jpg one has \['1', '1', 'nan', '11'\]"),
        (lambda voc: edit(voc, '<xmin>1<', '<xmin>?<'), {}, ValueError, r"a.jpg one has \['\?', '1', '21', '11'\]"),
        (lambda voc: edit(voc, '<name>cat</name>', ''), dict(classes=['cat', 'dog']), ValueError, 'an object None'),
    ],
)
def test_what_is_missing_or_wrong_is_named(voc, spoil, options, error, said):
    spoil(voc)
    with pytest.raises(error, match=said):
        converted(voc, **options)
