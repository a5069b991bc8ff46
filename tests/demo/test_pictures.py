import cv2
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmfmkt.demo.pictures import draw_detections, is_right


def test_a_detection_is_right_if_class_and_place_fit():
    truth = InstanceData(bboxes=torch.tensor([[0., 0., 10., 10.]]), labels=torch.tensor([3]))
    assert is_right(torch.tensor([0., 0., 10., 9.]), 3, truth)
    assert not is_right(torch.tensor([0., 0., 10., 9.]), 4, truth)
    assert not is_right(torch.tensor([20., 20., 30., 30.]), 3, truth)


def test_picture_has_a_row_an_image_and_a_column_a_detector(digits, tmp_path):

    def sample(score):
        boxes = torch.tensor([[10., 10., 40., 60.]])
        result = DetDataSample(metainfo=dict(img_path=str(digits / 'val' / '000000.jpg')))
        result.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([3]))
        result.pred_instances = InstanceData(bboxes=boxes, labels=torch.tensor([3]), scores=torch.tensor([score]))
        return result

    draw_detections({'sure': [sample(0.9)] * 2, 'unsure': [sample(0.1)] * 2}, '0123456789', tmp_path / 'drawn.png')
    height, width, _ = cv2.imread(str(tmp_path / 'drawn.png')).shape
    assert 1.3 < width / height < 1.6  # three columns, two rows
