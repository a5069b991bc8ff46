# FM-KT: RetinaNet R50 -> RetinaNet R18, 1x schedule.
_base_ = 'retinanet/retinanet_r50_r18_1x.py'
model = dict(method='fmkt')
