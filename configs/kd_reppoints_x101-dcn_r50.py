# KD: RepPoints X101-DCN -> RepPoints R50, 2x schedule.
_base_ = '_base_/pairs/reppoints_x101-dcn_r50.py'
model = dict(method='kd')
