import pytest
import torch

from mmfmkt.visualization import Objects
from mmfmkt.visualization.objects import MOST_CLASSES, MOST_OBJECTS, vectors_at


def test_an_object_is_looked_up_at_the_centre_of_its_box(make_path):
    feature = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
    feature[1, :, 2, 3] = 1
    path = make_path(feature, feature, feature)
    assert vectors_at(path, [(1, 28.0, 20.0)]).min() > 1  # stride 8
    assert vectors_at(path, [(1, 20.0, 28.0), (0, 28.0, 20.0)]).max() < 0


def test_a_centre_on_the_edge_belongs_to_the_last_location(make_path):
    feature = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    feature[0, :, 3, 3] = 1
    assert vectors_at(make_path(feature, feature, feature), [(0, 32.0, 32.0)]).min() > 1


def test_a_centre_outside_of_the_image_belongs_to_the_nearest_location(make_path):
    feature = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    feature[0, :, 0, 0] = 1
    assert vectors_at(make_path(feature, feature, feature), [(0, -12.0, -90.0)]).min() > 1


@pytest.fixture
def objects(perfect, photos):
    """One of each of two images."""
    objects = Objects()
    objects.add(perfect, photos)
    return objects


def test_every_path_begins_at_the_student_and_a_perfect_one_ends_at_the_teacher(objects):
    for ways in objects.ways.values():
        (way,) = ways
        assert torch.equal(way[:, -2], way[:, -1]) and not torch.equal(way[:, 0], way[:, 1])


def test_a_chart_has_no_more_objects_and_classes_than_can_be_told_apart(perfect, photos):
    objects = Objects()
    for number in range(MOST_OBJECTS):
        for photo in photos:
            photo.truth.labels = torch.tensor([number])
        objects.add(perfect, photos)
    assert len(set(objects.labels)) == MOST_CLASSES and len(objects.labels) == 2 * MOST_CLASSES
    for _ in range(MOST_OBJECTS):
        photos[0].truth.labels = torch.tensor([0])
        objects.add(perfect, photos[:1])
    assert len(objects.labels) == MOST_OBJECTS == sum(map(len, objects.ways[0]))
