# FM-KT^Θ: GFL R101 -> GFL R50, 1x schedule.
_base_ = 'gfl/gfl_r101_r50_1x.py'
model = dict(method='fmkt-theta')
