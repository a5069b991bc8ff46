# FGD: RTMDet-l -> RTMDet-s, 300 epochs.
_base_ = '_base_/pairs/rtmdet_l_s_300e.py'
model = dict(method='fgd')
