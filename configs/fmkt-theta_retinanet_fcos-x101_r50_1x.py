# FM-KT^Θ: FCOS X101-64x4d -> RetinaNet R50, 1x schedule.
_base_ = 'retinanet/retinanet_fcos-x101_r50_1x.py'
model = dict(method='fmkt-theta')
