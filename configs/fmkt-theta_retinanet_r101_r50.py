# FM-KT^Θ: RetinaNet R101 -> RetinaNet R50, 2x schedule.
_base_ = 'retinanet/retinanet_r101_r50.py'
model = dict(method='fmkt-theta')
