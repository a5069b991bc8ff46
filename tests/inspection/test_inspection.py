"""Annotation files that make a wrong detector without a word, and those that are as they should be."""

import shutil
import tempfile
from contextlib import contextmanager

import pytest
from mmdet.registry import DATASETS
from mmengine.fileio import LocalBackend, register_backend
from own_data import FILTERED, WRAPPERS, dataset, errors, findings, only, warnings, write

from mmfmkt.inspection import inspect, parts_of
from mmfmkt.inspection.report import report


@pytest.mark.parametrize('wrap', WRAPPERS.values(), ids=WRAPPERS)
def test_clean_files_have_no_findings(tmp_path, wrap):
    train, val = (dataset(write(tmp_path / name, name)) for name in ('train', 'val'))
    assert findings(train=wrap(dict(train, **FILTERED)), val=val) == []


def test_a_subset_of_the_categories_has_no_findings(tmp_path):
    assert findings(train=dataset(write(tmp_path, 'train'), classes=('dog',))) == []


def test_scenes_of_the_demo_have_no_findings(digits):
    train = dataset(digits / 'annotations/train.json', classes=tuple('0123456789'))
    assert findings(train=dict(train, data_prefix=dict(img=f'{digits}/train/'))) == []


# categories -----------------------------------------------------------------------------------------------------------
def turn(content):
    content['categories'].reverse()


def test_categories_in_another_order_in_val_than_in_train_are_an_error_that_names_both_files(tmp_path):
    train, val = write(tmp_path, 'train'), write(tmp_path, 'val', turn)
    text = only(errors(findings(train=dataset(train), val=dataset(val))))
    assert str(train) in text and str(val) in text and "label 0 is 'dog' in one and 'cat' in the other" in text


@pytest.mark.parametrize('wrap', WRAPPERS.values(), ids=WRAPPERS)
def test_classes_in_another_order_than_in_the_file_are_an_error(tmp_path, wrap):
    train = dataset(write(tmp_path, 'train'), classes=('dog', 'cat'))
    only(errors(findings(train=wrap(train))), 'in the order of the categories in the file', "classes=('cat', 'dog')")


@pytest.mark.parametrize('wrap', WRAPPERS.values(), ids=WRAPPERS)
def test_a_class_that_the_file_lacks_is_an_error(tmp_path, wrap):
    train = dataset(write(tmp_path, 'train'), classes=('cat', 'dogs'))
    only(errors(findings(train=wrap(train))), 'has 1 of the 2 classes', 'dogs is none of its categories (cat, dog)')


def test_classes_that_differ_between_the_splits_are_an_error(tmp_path):
    train, val = write(tmp_path, 'train'), write(tmp_path, 'val')
    found = findings(train=dataset(train, classes=('cat',)), val=dataset(val, classes=('dog',)))
    only(errors(found), "label 0 is 'cat' in one and 'dog' in the other", str(train), str(val))
    found = findings(train=dataset(train, classes=('cat',)), val=dataset(val))
    only(errors(found), 'there are 1 in one and 2 in the other')


def test_a_name_of_two_categories_is_an_error(tmp_path):
    train = write(tmp_path, 'train', lambda content: content['categories'].insert(0, dict(id=0, name='cat')))
    only(errors(findings(train=dataset(train))), "'cat' is the name of 2 categories, with the ids 0, 1")


def test_a_text_in_the_place_of_names_is_an_error(tmp_path):
    only(errors(findings(train=dataset(write(tmp_path, 'train'), classes='cat'))), "write ('cat', ) with a comma")


@pytest.mark.parametrize('kind', ['Objects365V1Dataset', 'Objects365V2Dataset'])
def test_files_of_objects365_are_looked_at(tmp_path, kind):
    train = dict(dataset(write(tmp_path, 'train'), classes=('dog', 'cat')), type=kind)
    only(errors(findings(train=train)), 'in the order of the categories in the file')


class Elsewhere(LocalBackend):
    """Gives a copy of what it is asked for."""

    @contextmanager
    def get_local_path(self, filepath):
        with tempfile.TemporaryDirectory() as folder:
            yield shutil.copy(filepath, f'{folder}/copy')


def test_files_of_which_a_copy_is_read_are_looked_at(tmp_path):
    register_backend('elsewhere', Elsewhere, force=True)
    files = [write(tmp_path, name) for name in ('train', 'val')]
    train, val = (dataset(file, classes=('dog', 'cat'), backend_args=dict(backend='elsewhere')) for file in files)
    assert len(errors(findings(train=train, val=val))) == 2


# ids ------------------------------------------------------------------------------------------------------------------
def test_an_id_of_two_images_is_an_error(tmp_path):
    train = write(tmp_path, 'train', lambda content: content['images'][3].update(id=1))
    only(errors(findings(train=dataset(train))), 'an `id` of its own for each of its images, but 1 is there')


def test_annotations_of_images_that_are_not_there_are_counted(tmp_path):
    train = write(tmp_path, 'train', lambda content: content['images'].pop())
    assert '2 annotations are of an `image_id`' in warnings(findings(train=dataset(train)))[0]


def test_annotations_of_categories_that_are_not_there_are_counted(tmp_path):
    train = write(tmp_path, 'train', lambda content: content['annotations'][0].update(category_id=7))
    assert '1 annotations are of a `category_id`' in warnings(findings(train=dataset(train)))[0]


def test_an_annotation_with_the_id_0_is_told_where_it_is_evaluated(tmp_path):
    file = write(tmp_path, 'val', lambda content: content['annotations'][0].update(id=0))
    assert findings(train=dataset(file)) == []
    only(warnings(findings(val=dataset(file))), 'counts as missed')


def test_a_report_names_files_whose_annotations_were_not_looked_at(tmp_path):
    file = write(tmp_path, 'train')
    parts = list(parts_of('train', DATASETS.build(dataset(file)), {}))
    said = report(parts, inspect(parts))
    assert f'- not looked at: ids and boxes as they stand in {file}' in said and 'Nothing is odd.' not in said
