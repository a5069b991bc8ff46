"""Detectors with a flow before the classifier of their head."""

import copy

DENSE = ['retinanet', 'fcos', 'gfl', 'atss', 'vfnet']
ROI = ['faster_rcnn', 'mask_rcnn']


def with_flow(student, flow):
    """The student with a flow in its classification head."""
    student = copy.deepcopy(student)
    holder = student.roi_head if 'roi_head' in student else student
    holder.bbox_head = dict(type='mmdet.FlowHead', head=holder.bbox_head, flow=flow)
    return student


def head_of(detector):
    return detector.roi_head.bbox_head if hasattr(detector, 'roi_head') else detector.bbox_head
