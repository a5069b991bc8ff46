# The rival: PKD between the pyramids of student and teacher, without a flow, in the same wrapper.
_base_ = ['retinanet_r18.py', '_base_/distill.py', '../_base_/pkd.py']

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=_base_.model,
    distiller=_base_.distiller,
    **_base_.teacher)
