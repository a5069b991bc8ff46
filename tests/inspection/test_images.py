"""Images that are not there, in two places, or of another size than their annotation file says."""

import shutil

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import DATASETS
from own_data import HEIGHT, IMAGES, WIDTH, dataset, errors, findings, only, warnings, write

from mmfmkt.inspection import inspect, parts_of


def test_images_that_are_not_there_are_an_error_unless_they_may_be_empty(tmp_path):
    train = dataset(write(tmp_path, 'train', lambda content: content['images'][2].update(file_name='gone.png')))
    only(errors(findings(train=train)), '1 of 6 are not', 'gone.png', '`data_prefix`')
    may_be_empty = dict(train, pipeline=[dict(type='LoadImageFromFile', ignore_empty=True)])
    only(warnings(findings(train=may_be_empty)), '1 of 6 are not')


def test_images_in_a_training_and_in_a_test_are_told(tmp_path):
    def some(content):
        content['images'] = content['images'][:2]
        content['annotations'] = content['annotations'][:4]

    train, val = write(tmp_path, 'train'), write(tmp_path, 'val', some)
    only(warnings(findings(train=dataset(train), val=dataset(val))), '2 of 2 images of val are also images of train')


def test_images_in_a_training_are_found_in_a_test_under_another_spelling_and_without_labels(tmp_path):
    file = write(tmp_path, 'train')
    val = dict(dataset(file), data_prefix=dict(img=f'{tmp_path}/../{tmp_path.name}/./'))
    only(warnings(findings(train=dataset(file), val=val)), '6 of 6 images of val are also images of train')
    parts = list(parts_of('val', DATASETS.build(val), {}))
    found = inspect(parts, unlabelled=[str(tmp_path / '3.png')])
    only(warnings(found), '1 of 6 images of val are also images of the images without labels')


def twice(content):
    content['images'][3]['file_name'] = '0.png'


def test_an_image_under_two_ids_is_told(tmp_path):
    file = write(tmp_path, 'train', twice)
    only(warnings(findings(train=dataset(file))), '1 images are there more than once', 'join them under one id')


def test_an_image_of_two_files_of_a_split_is_told(tmp_path):
    joined = dict(type='ConcatDataset', datasets=[dataset(write(tmp_path, name)) for name in ('cats', 'dogs')])
    only(warnings(findings(train=joined)), '6 images are there more than once', 'cats.json and', 'dogs.json')


class ReadsAnother(LoadImageFromFile):
    """Reads an array in the place of an image."""

    def transform(self, results):
        return dict(results, img=np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def test_images_that_a_loader_of_ones_own_may_read_elsewhere_are_no_error(tmp_path):
    train = dataset(write(tmp_path, 'train', jpegs))
    only(warnings(findings(train=dict(train, pipeline=[dict(type=ReadsAnother)]))), '6 of 6 are not')


@pytest.mark.parametrize(
    'name, said', [('images\\0.png', r'write / in the place of \ '), ('0.PNG', '0.png is, with other small and large')]
)
def test_the_cause_of_a_missing_image_is_told_where_it_is_known(tmp_path, name, said):
    train = dataset(write(tmp_path, 'train', lambda content: content['images'][0].update(file_name=name)))
    only(errors(findings(train=train)), '1 of 6 are not', said)


def test_an_empty_file_or_a_link_that_leads_nowhere_is_no_image(tmp_path):
    train = dataset(write(tmp_path, 'train'))
    (tmp_path / '2.png').write_bytes(b'')
    (tmp_path / '3.png').unlink()
    (tmp_path / '3.png').symlink_to(tmp_path / 'nowhere.png')
    only(errors(findings(train=train)), '2 of 6 files are empty', '2.png', '3.png')


def test_images_above_a_linked_folder_are_there_and_the_same_as_those_without_the_link(tmp_path):
    file = write(tmp_path / 'disk/images', 'train')
    (tmp_path / 'disk/own').mkdir()
    (tmp_path / 'linked').symlink_to(tmp_path / 'disk/own')
    through = dict(dataset(file), data_prefix=dict(img=f'{tmp_path}/linked/../images/'))
    only(warnings(findings(train=dataset(file), val=through)), '6 of 6 images of val are also images of train')


def test_exchanged_width_and_height_are_told(tmp_path):
    def exchange(content):
        for image in content['images']:
            image.update(width=HEIGHT, height=WIDTH)

    found = warnings(findings(train=dataset(write(tmp_path, 'train', exchange))))
    assert '6 of 6 images' in found[-1] and f'{WIDTH} x {HEIGHT} and not {HEIGHT} x {WIDTH}' in found[-1]


def jpegs(content):
    for image in content['images']:
        image['file_name'] = image['file_name'].replace('png', 'jpg')


def test_images_that_are_turned_when_they_are_read_are_told(tmp_path):
    file = write(tmp_path, 'train', jpegs)
    jpeg = cv2.imencode('.jpg', np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()
    exif = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'  # orientation 6
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    for index in range(IMAGES):
        (tmp_path / f'{index}.jpg').write_bytes(jpeg if index else jpeg[:2] + segment + jpeg[2:])
    only(warnings(findings(train=dataset(file))), '1 of 6 images', 'turned by the orientation in their EXIF data')
    stored = [dict(type='LoadImageFromFile', color_type='color_ignore_orientation')]
    assert findings(train=dict(dataset(file), pipeline=stored)) == []


def test_one_image_in_a_hundred_of_another_size_is_told(tmp_path):
    def many(content):
        content['images'] = [dict(content['images'][0], id=number, file_name=f'{number}.png') for number in range(100)]
        content['images'][43]['width'] = 2 * WIDTH
        content['annotations'] = [dict(content['annotations'][0], id=number, image_id=number) for number in range(100)]

    file = write(tmp_path, 'train', many)
    for number in range(100):
        shutil.copyfile(tmp_path / '0.png', tmp_path / f'{number}.png') if number else None
    only(warnings(findings(train=dataset(file, classes=('cat',)))), '1 of 100 images', '43.png')


def test_images_of_another_size_are_told(tmp_path):
    file = write(tmp_path, 'train', lambda content: content['images'][0].update(width=2 * WIDTH))
    only(warnings(findings(train=dataset(file))), '1 of 6 images', 'write the sizes of the images into the file')
