# FM-KT^Θ: RepPoints X101-DCN -> RepPoints R50, 2x schedule.
_base_ = 'reppoints/reppoints_x101-dcn_r50.py'
model = dict(method='fmkt-theta')
