"""Evaluators of COCO whose file is not that of the data set."""

import contextlib
import copy
import io

import pytest
from mmdet.datasets import CocoDataset
from mmdet.evaluation import CocoMetric
from mmdet.registry import DATASETS
from own_data import CLASSES, dataset, write

from mmfmkt.inspection import check_evaluated, parts_of, remembering, with_their_parts


def found(file, val):
    """What is found in an evaluator of a file, for a data set."""
    with contextlib.redirect_stdout(io.StringIO()), remembering() as files:
        parts = list(parts_of('val', DATASETS.build(copy.deepcopy(val)), files))
        return list(check_evaluated(CocoMetric(None if file is None else str(file)), parts))


def named_otherwise(content):
    for image in content['images']:
        image['file_name'] = f'train_{image["file_name"]}'


def with_other_boxes(content):
    for annotation in content['annotations']:
        annotation['bbox'][0] += 1


def small(content):
    content['images'][0].update(width=30)


def of_one_image(content):
    content['images'] = content['images'][:1]
    content['annotations'] = content['annotations'][:2]


@pytest.mark.parametrize('settings', [dict(test_mode=True), dict(filter_cfg=dict(filter_empty_gt=True, min_size=32))])
def test_the_file_of_the_data_set_has_no_findings(tmp_path, settings):
    file = write(tmp_path, 'val', lambda content: content['annotations'].__delitem__(slice(0, 2)))
    assert found(file, dataset(file, **settings)) == []
    assert found(None, dataset(file, **settings)) == []
    assert found(file, dataset(file, classes=CLASSES[:1], **settings)) == []


def test_the_same_images_as_other_files_have_no_findings(tmp_path):
    file = write(tmp_path, 'val')
    other = write(
        tmp_path,
        'other',
        lambda content: [each.update(file_name=f'val\\{each["id"] - 1}.jpg') for each in content['images']],
    )
    assert found(other, dataset(file)) == []


def test_a_file_that_has_other_images_under_the_same_ids_is_an_error(tmp_path):
    file, other = write(tmp_path, 'val'), write(tmp_path, 'train', named_otherwise)
    (finding,) = found(other, dataset(file))
    assert finding.is_error and f'the `id` 1 is train_0.png there, and 0.png in {file}' in finding.text


def test_a_file_that_has_other_boxes_for_images_of_the_same_names_is_told(tmp_path):
    file, other = write(tmp_path / 'val', 'val'), write(tmp_path / 'train', 'train', with_other_boxes)
    (finding,) = found(other, dataset(file))
    assert not finding.is_error and '12 of the 12' in finding.text and 'file of another split' in finding.text


@pytest.mark.parametrize(
    'settings, change, more', [(dict(indices=2), None, 4), (dict(filter_cfg=dict(min_size=32)), small, 1)]
)
def test_images_that_are_evaluated_and_not_tested_are_counted(tmp_path, settings, change, more):
    file = write(tmp_path, 'val', change)
    (finding,) = found(file, dataset(file, **settings))
    assert not finding.is_error and f'{more} of the 6 images with objects' in finding.text
    assert 'count as missed' in finding.text


def test_an_id_of_two_files_that_are_evaluated_together_is_an_error(tmp_path):
    files = [write(tmp_path / name, name) for name in ('first', 'second')]
    joined = dict(type='ConcatDataset', datasets=[dataset(file) for file in files])
    for evaluated in (files[0], None):
        (finding,) = found(evaluated, joined)
        assert finding.is_error and '6 have one that another has too, as 1' in finding.text


class Foggy(CocoDataset):
    """Reads another image than its file names."""

    def parse_data_info(self, info):
        about = super().parse_data_info(info)
        return dict(about, img_path=about['img_path'].replace('.png', '_foggy.png'))


def test_a_data_set_that_reads_other_images_than_its_file_names_has_no_findings(tmp_path):
    file = write(tmp_path, 'val')
    assert found(file, dict(dataset(file), type=Foggy)) == []


def test_metrics_of_several_data_sets_are_compared_with_their_own(tmp_path):
    files = [write(tmp_path / name, name) for name in ('day', 'night')]
    joined = dict(type='ConcatDataset', datasets=[dataset(file) for file in files])
    with contextlib.redirect_stdout(io.StringIO()), remembering() as known:
        parts = list(parts_of('val', DATASETS.build(joined), known))
        metrics = [CocoMetric(str(file)) for file in files]
        pairs = with_their_parts(metrics, parts, apart=True)
        assert [(metric, own) for metric, own in pairs] == [(metrics[0], [parts[0]]), (metrics[1], [parts[1]])]
        assert [finding for metric, own in pairs for finding in check_evaluated(metric, own)] == []
    assert with_their_parts(metrics, parts, apart=False) == [(metric, parts) for metric in metrics]
    assert with_their_parts(metrics[:1], parts, apart=True) == []  # whose they are is not known


def test_files_with_ids_of_their_own_are_evaluated_together(tmp_path):
    first = write(tmp_path / 'first', 'first', of_one_image)
    second = write(tmp_path / 'second', 'second', lambda content: content['images'].pop(0))
    joined = dict(type='ConcatDataset', datasets=[dataset(file) for file in (first, second)])
    assert found(None, joined) == []
