# The baseline: PKD (arXiv:2207.02039) between the same levels, without a flow, in the same wrapper.
_base_ = ['retinanet_r18.py', '_base_/distill.py', '../_base_/fmkt-theta.py']

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=_base_.model,
    distiller=dict(
        _base_.distiller,
        connectors=None,
        distill_losses=dict(loss_pkd=dict(type='mmrazor.PKDLoss', loss_weight=10.0)),
        loss_forward_mappings=dict(
            loss_pkd=dict(
                preds_S=dict(recorder='pyramid', from_student=True),
                preds_T=dict(recorder='pyramid', from_student=False)))),
    **_base_.teacher)
