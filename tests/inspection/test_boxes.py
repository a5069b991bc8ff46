"""Boxes of other units or formats, and what is left of them."""

import pytest
from mmdet.datasets import CocoPanopticDataset
from own_data import BOXES, FILTERED, HEIGHT, IMAGES, WIDTH, WRAPPERS, dataset, errors, findings, only, warnings, write


def every_box(make):
    """A change of all boxes of a file."""

    def change(content):
        for annotation in content['annotations']:
            annotation['bbox'] = make(*annotation['bbox'])

    return change


def test_boxes_in_units_of_the_image_are_an_error(tmp_path):
    file = write(tmp_path, 'train', every_box(lambda x, y, w, h: [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT]))
    assert 'they are in units of the image' in errors(findings(train=dataset(file, **FILTERED)))[0]


def test_two_corners_in_the_place_of_a_corner_and_a_size_are_an_error(tmp_path):
    file = write(tmp_path, 'train', every_box(lambda x, y, w, h: [x, y, x + w, y + h]))
    only(errors(findings(train=dataset(file))), 'look like two corners', f'{IMAGES} boxes would end outside')


@pytest.mark.parametrize('wrap', WRAPPERS.values(), ids=WRAPPERS)
def test_a_training_without_a_box_that_is_left_is_an_error(tmp_path, wrap):
    file = write(tmp_path, 'train', every_box(lambda *box: [500, 500, 10, 10]))
    if wrap is WRAPPERS['balanced']:
        return  # it cannot be built without boxes
    only(errors(findings(train=wrap(dataset(file, **FILTERED)))), 'none is left for 6 images: 12 are outside')


def test_a_file_of_images_without_objects_beside_others_has_no_findings(tmp_path):
    files = [write(tmp_path / 'objects', 'train'), write(tmp_path / 'negatives', 'train', annotations=[])]
    joined = dict(type='ConcatDataset', datasets=[dataset(file) for file in files])
    assert errors(findings(train=joined)) == []
    only(errors(findings(train=dataset(files[1]))), 'train must have boxes')


def test_one_odd_box_does_not_hide_what_the_others_are(tmp_path):
    def units(content):
        every_box(lambda x, y, w, h: [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT])(content)
        content['annotations'][0]['bbox'][2] = 1.0000001

    def corners(content):
        every_box(lambda x, y, w, h: [x, y, x + w, y + h])(content)
        content['annotations'][0]['bbox'] = [10, 10, 10, 10]

    assert 'they are in units of the image' in errors(findings(train=dataset(write(tmp_path, 'train', units))))[0]
    only(errors(findings(train=dataset(write(tmp_path, 'train', corners)))), 'look like two corners')


@pytest.mark.parametrize('number', ['nan', 'inf'])
def test_the_first_box_that_is_no_number_is_told(tmp_path, number):
    def spoil(content):
        for copies in range(1, 20):  # one in a hundred would be told as one that is left out
            content['images'] += [dict(each, id=each['id'] + 6 * copies) for each in content['images'][:6]]
            for annotation in content['annotations'][:12]:
                more = dict(annotation, id=annotation['id'] + 12 * copies, image_id=annotation['image_id'] + 6 * copies)
                content['annotations'].append(more)
        content['annotations'][4]['bbox'] = [4, 6, float(number), 16]

    found = findings(train=dataset(write(tmp_path, 'train', spoil)))
    assert any('1 of 240 boxes are no finite numbers, as [4.0, 6.0, ' in text for text in warnings(found))


def test_a_training_of_crowds_alone_is_an_error(tmp_path):
    def crowd(content):
        for annotation in content['annotations']:
            annotation['iscrowd'] = 1

    only(errors(findings(train=dataset(write(tmp_path, 'train', crowd)))), 'none is left for 6 images')


@pytest.mark.parametrize(
    'change, said',
    [
        (dict(image_id='1'), "none of its images has, because '1' is not 1: write both as numbers"),
        (dict(category_id='2'), "none of its categories has, because '2' is not 2: write both as numbers"),
        (dict(iscrowd=1), '12 are crowds'),
    ],
)
def test_the_reason_that_nothing_is_left_is_told(tmp_path, change, said):
    file = write(tmp_path, 'train', lambda content: [each.update(change) for each in content['annotations']])
    assert said in errors(findings(train=dataset(file)))[0]


VOC = (
    '<annotation><size><width>64</width><height>48</height></size><object><name>cat</name><difficult>1</difficult>'
    '<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object></annotation>'
)


@pytest.mark.parametrize(
    'classes, said', [(('cat',), '1 are difficult or crowds'), (('dog',), 'among the classes, dog?')]
)
def test_the_reason_that_nothing_is_left_of_a_voc_data_set_is_told(tmp_path, classes, said):
    for folder in ('Annotations', 'ImageSets/Main', 'JPEGImages'):
        (tmp_path / 'VOC2007' / folder).mkdir(parents=True)
    (tmp_path / 'VOC2007/Annotations/a.xml').write_text(VOC)
    (tmp_path / 'VOC2007/ImageSets/Main/train.txt').write_text('a')
    of_voc = dict(
        dataset(tmp_path / 'VOC2007/ImageSets/Main/train.txt', classes=classes),
        type='VOCDataset',
        data_prefix=dict(sub_data_root=f'{tmp_path}/VOC2007/'),
    )
    assert said in errors(findings(train=of_voc))[0]


def test_boxes_that_are_left_out_are_counted_with_the_reason(tmp_path):
    def spoil(content):
        content['annotations'][0]['bbox'] = [500, 500, 10, 10]
        content['annotations'][2]['bbox'] = [5, 5, 0.5, 10]

    found = warnings(findings(train=dataset(write(tmp_path, 'train', spoil))))
    assert '2 of 12 boxes are left out: 1 are thinner than a pixel, 1 are outside of their image' in found[-1]


def test_boxes_that_end_outside_of_their_image_are_counted(tmp_path):
    file = write(tmp_path, 'train', lambda content: content['annotations'][0].update(bbox=[50, 6, 20, 16]))
    only(warnings(findings(train=dataset(file))), '1 of 12 boxes end outside of their image')


def test_boxes_that_begin_outside_of_their_image_are_counted(tmp_path):
    file = write(tmp_path, 'train', lambda content: content['annotations'][0].update(bbox=[-6, 6, 20, 16]))
    only(warnings(findings(train=dataset(file))), '1 of 12 boxes end outside of their image')


def test_boxes_without_an_area_are_counted_with_the_reason(tmp_path):
    file = write(tmp_path, 'train', lambda content: content['annotations'][0].update(area=0))
    only(warnings(findings(train=dataset(file))), '1 of 12 boxes are left out: 1 have an `area` of 0')
    none = write(tmp_path, 'train', lambda content: [each.update(area=0) for each in content['annotations']])
    only(errors(findings(train=dataset(none))), 'none is left for 6 images: 12 have an `area` of 0')


def test_boxes_that_are_marked_to_be_ignored_are_counted_with_the_reason(tmp_path):
    file = write(tmp_path, 'train', lambda content: content['annotations'][0].update(ignore=1))
    only(warnings(findings(train=dataset(file))), '1 of 12 boxes are left out: 1 are marked with `ignore`')


def test_boxes_in_percent_are_told(tmp_path):
    def percent(content):
        for image in content['images']:
            image.update(width=640, height=480)

    found = warnings(findings(train=dataset(write(tmp_path, 'train', percent))))
    assert 'are they in percent?' in found[0]


def test_crowds_that_are_most_of_the_boxes_are_told(tmp_path):
    def crowds(content):
        for annotation in content['annotations'][:7]:
            annotation['iscrowd'] = 1

    only(warnings(findings(train=dataset(write(tmp_path, 'train', crowds)))), '7 of 12 boxes are crowds')


def test_boxes_that_are_there_twice_are_counted(tmp_path):
    def twice(content):
        content['annotations'] += [dict(content['annotations'][0], id=99)]

    only(warnings(findings(train=dataset(write(tmp_path, 'train', twice)))), '1 of 13 boxes are there more than once')


def test_a_class_without_a_box_is_named(tmp_path):
    def only_cats(content):
        content['annotations'] = [each for each in content['annotations'] if each['category_id'] == 1]

    only(warnings(findings(train=dataset(write(tmp_path, 'train', only_cats)))), 'dog has no box')


def test_what_is_no_thing_needs_no_box_in_panoptic_data(tmp_path):
    classes = CocoPanopticDataset.METAINFO['classes']
    segments = [
        dict(id=number, category_id=number, area=100, bbox=[1, 1, 10, 10], iscrowd=0)
        for number in range(1, len(classes) + 1)
    ]
    categories = [
        dict(id=number, name=name, isthing=int(name in CocoPanopticDataset.METAINFO['thing_classes']))
        for number, name in enumerate(classes, 1)
    ]

    def one_image(content):
        content['images'] = content['images'][:1]
        content['annotations'] = [dict(image_id=1, file_name='0.png', segments_info=segments)]

    file = write(tmp_path, 'train', one_image, categories=categories)
    panoptic = dict(dataset(file, classes=classes), type='CocoPanopticDataset', metainfo={})
    assert findings(train=dict(panoptic, data_prefix=dict(img=f'{tmp_path}/', seg=f'{tmp_path}/'))) == []


def test_images_of_a_test_without_annotations_have_no_findings(tmp_path):
    assert findings(test=dataset(write(tmp_path, 'test', annotations=[]), test_mode=True)) == []


def test_objects_without_a_mask_are_an_error_where_masks_are_loaded(tmp_path):
    def outline(content):
        for annotation in content['annotations'][1:]:
            annotation['segmentation'] = [[4, 6, 24, 6, 24, 22]]

    train = dataset(write(tmp_path, 'train', outline))
    masks = [*train['pipeline'], dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]
    assert findings(train=train) == []
    only(errors(findings(train=dict(train, pipeline=masks))), 'with_mask=True', '1 of 12 have none', '`segmentation`')


def test_every_box_of_the_example_is_seen(tmp_path):
    assert all(x + w <= WIDTH and y + h <= HEIGHT for x, y, w, h in BOXES.values())
