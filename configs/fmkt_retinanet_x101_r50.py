# FM-KT: RetinaNet X101-64x4d -> RetinaNet R50, 2x schedule.
_base_ = 'retinanet/retinanet_x101_r50.py'
model = dict(method='fmkt')
