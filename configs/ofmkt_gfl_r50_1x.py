# OFM-KT: GFL R50, 1x schedule.
_base_ = '_base_/pairs/gfl_r101_r50_1x.py'
model = dict(method='ofmkt')
