# FM-KT^Θ: DINO Swin-L, five scales -> DINO R50, four scales, 12 epochs.
_base_ = 'dino/dino_swin-l_r50_12e.py'
model = dict(method='fmkt-theta')
