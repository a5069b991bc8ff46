import cv2
import pytest
import torch
from matplotlib.colors import to_rgba
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmfmkt.visualization.detections import UNKNOWN, detections_figure, draw_detections, is_right


def test_a_detection_is_right_if_class_and_place_fit():
    truth = InstanceData(bboxes=torch.tensor([[0.0, 0.0, 10.0, 10.0]]), labels=torch.tensor([3]))
    assert is_right(torch.tensor([0.0, 0.0, 10.0, 9.0]), 3, truth)
    assert not is_right(torch.tensor([0.0, 0.0, 10.0, 9.0]), 4, truth)
    assert not is_right(torch.tensor([20.0, 20.0, 30.0, 30.0]), 3, truth)


def test_picture_has_a_row_an_image_and_a_column_a_detector(digits, tmp_path):

    def sample(score):
        boxes = torch.tensor([[10.0, 10.0, 40.0, 60.0]])
        result = DetDataSample(metainfo=dict(img_path=str(digits / 'val' / '000000.jpg')))
        result.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([3]))
        result.pred_instances = InstanceData(bboxes=boxes, labels=torch.tensor([3]), scores=torch.tensor([score]))
        return result

    draw_detections({'sure': [sample(0.9)] * 2, 'unsure': [sample(0.1)] * 2}, '0123456789', tmp_path / 'drawn.png')
    height, width, _ = cv2.imread(str(tmp_path / 'drawn.png')).shape
    assert 1.1 < width / height < 1.4  # three columns, two rows, a caption


def test_an_image_without_a_known_truth_has_no_right_and_no_wrong(digits):
    result = DetDataSample(metainfo=dict(img_path=str(digits / 'val' / '000000.jpg')))
    result.pred_instances = InstanceData(
        bboxes=torch.tensor([[10.0, 10.0, 40.0, 60.0]]), labels=torch.tensor([3]), scores=torch.tensor([0.9])
    )
    figure = detections_figure({'student': [result]}, '0123456789')
    (axes,) = figure.axes
    (box,) = axes.patches
    assert box.get_edgecolor() == to_rgba(UNKNOWN) and axes.get_title() == 'student'


def test_boxes_are_drawn_on_what_the_detector_saw_wherever_it_was_read_from(photos):
    for photo in photos:
        photo.sample.set_metainfo(dict(scale_factor=(0.5, 0.25), img_path='s3://elsewhere.jpg'))
        photo.sample.pred_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long), scores=torch.zeros(0)
        )
    samples = [photo.sample for photo in photos]
    figure = detections_figure({'student': samples}, '0123456789', [photo.unscaled for photo in photos])
    assert [axes.images[0].get_array().shape for axes in figure.axes] == [(128, 64, 3)] * 2
    assert [axes.images[0].get_array().max() for axes in figure.axes] == [101, 102]
    with pytest.raises(ValueError, match='but s3://elsewhere.jpg is none'):
        detections_figure({'student': samples}, '0123456789')
