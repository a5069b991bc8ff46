# FM-KT^Θ: RetinaNet R101 -> RetinaNet R50, 1x schedule.
_base_ = 'retinanet/retinanet_r101_r50_1x.py'
model = dict(method='fmkt-theta')
