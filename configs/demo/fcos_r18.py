# A student of another family than the teacher.
_base_ = [
    '_base_/fcos_digits.py',
    '_base_/digits_detection.py',
    '_base_/schedule_demo.py',
    'mmdet::_base_/default_runtime.py',
]
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
