# FM-KT^Θ: RTMDet-l -> RTMDet-s, 300 epochs.
_base_ = 'rtmdet/rtmdet_l_s_300e.py'
model = dict(method='fmkt-theta')
