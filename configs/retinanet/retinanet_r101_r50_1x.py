# RetinaNet R101 -> RetinaNet R50, 1x schedule.
_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', '../_base_/teachers/retinanet_r101.py']
custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
model = dict(_delete_=True, type='mmrazor.FMKTPair', architecture=_base_.model, **_base_.teacher)
