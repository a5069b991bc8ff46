# PKD (arXiv:2207.02039) on the whole pyramid, in the same wrapper as FM-KT.
_base_ = 'fmkt-theta.py'

distiller = dict(
    connectors=None,
    distill_losses=dict(
        _delete_=True, loss_pkd=dict(type='mmrazor.PKDLoss', loss_weight=10.0)),
    loss_forward_mappings=dict(
        _delete_=True,
        loss_pkd=dict(
            preds_S=dict(recorder='pyramid', from_student=True),
            preds_T=dict(recorder='pyramid', from_student=False))))
