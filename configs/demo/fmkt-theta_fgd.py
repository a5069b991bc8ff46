# FM-KT^Θ whose metric is FGD's, with the weights of the demo's FGD.
_base_ = 'fgd.py'

model = dict(
    method='fmkt-theta', loss=dict(loss_weight=1.0, metric=dict(type='mmrazor.FGDMetric', teacher_channels=64))
)
