# FM-KT: GFL R50 -> GFL R18, 1x schedule.
_base_ = 'gfl/gfl_r50_r18_1x.py'
model = dict(method='fmkt')
