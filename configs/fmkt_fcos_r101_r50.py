# FM-KT: FCOS R101 -> FCOS R50, 2x schedule.
_base_ = 'fcos/fcos_r101_r50.py'
model = dict(method='fmkt')
