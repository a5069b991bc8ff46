# FM-KT^Θ on COCO: RetinaNet R101 -> RetinaNet R50, 2x schedule. The deployed model is mmdet's own RetinaNet R50.
_base_ = ['mmdet::retinanet/retinanet_r50_fpn_2x_coco.py', '_base_/teachers/retinanet_r101.py', '_base_/fmkt-theta.py']
custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=_base_.model,
    distiller=_base_.distiller,
    **_base_.teacher)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
