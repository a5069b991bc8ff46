import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from mmfmkt.lab.demo.digit_scenes import IMAGE_SIZE, SPLITS, load_glyphs, make_split


def content(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


def test_same_seed_gives_same_bytes_on_one_machine_and_another_seed_does_not(tmp_path):
    for folder, seed in (('a', 3), ('b', 3), ('c', 4)):
        list(make_split(tmp_path / folder, 'val', 4, seed))
    assert content(tmp_path / 'a') == content(tmp_path / 'b') != content(tmp_path / 'c')


def test_a_scene_does_not_depend_on_how_many_there_are(tmp_path):
    list(make_split(tmp_path / 'few', 'val', 2, seed=0))
    list(make_split(tmp_path / 'many', 'val', 4, seed=0))
    few, many = content(tmp_path / 'few'), content(tmp_path / 'many')
    assert all(few[name] == many[name] for name in few if name.suffix == '.jpg')


def test_no_two_splits_share_a_scan():
    train, val, test = ([glyph.ink.tobytes() for glyph in load_glyphs(split)] for split in SPLITS)
    assert len(train) + len(val) + len(test) == 1797
    assert not set(train) & set(val) and not set(train) & set(test) and not set(val) & set(test)


def test_all_ten_digits_are_in_every_split():
    for split in SPLITS:
        assert {glyph.label for glyph in load_glyphs(split)} == set(range(10))


def test_annotations_are_coco_with_boxes_inside_the_image(digits):
    annotations = COCO(str(digits / 'annotations' / 'train.json'))
    boxes = np.array([annotation['bbox'] for annotation in annotations.loadAnns(annotations.getAnnIds())])
    assert len(annotations.getImgIds()) == 24 and len(annotations.getCatIds()) == 10
    assert boxes.min() >= 0 and (boxes[:, :2] + boxes[:, 2:]).max() <= IMAGE_SIZE
    assert min(annotations.getAnnIds()) == 1


def test_small_and_medium_digits_both_occur(digits):
    areas = [a['area'] for a in json.loads((digits / 'annotations' / 'train.json').read_text())['annotations']]
    assert 0.2 < np.mean(np.array(areas) < 32**2) < 0.8


def test_no_image_is_refused(tmp_path):
    with pytest.raises(ValueError, match='number of val images must be at least 1, but got 0'):
        list(make_split(tmp_path, 'val', 0, seed=0))
