# The student of the study on blood cells: an FCOS, which has no anchors.
_base_ = [
    '_base_/cells_detection.py',
    '_base_/schedule_cells.py',
    '../../demo/_base_/fcos_digits.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    bbox_head=dict(num_classes=3, regress_ranges=((-1, 32), (32, 64), (64, 1e8))), test_cfg=dict(max_per_img=100)
)
