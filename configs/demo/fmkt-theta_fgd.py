# FM-KT^Θ whose metric is FGD's, with the weights of the demo's FGD.
_base_ = 'fgd.py'

boxes = dict(data_samples=dict(recorder='data_samples', from_student=True))
model = dict(
    method='fmkt-theta',
    loss=dict(
        type='mmrazor.BoxFMKTThetaLoss', loss_weight=1.0, metric=dict(type='mmrazor.FGDMetric', teacher_channels=64)
    ),
    distiller=dict(
        student_recorders=dict(data_samples=dict(type='mmrazor.DataSamples')),
        loss_forward_mappings=dict(loss_fmkt=boxes),
    ),
)
