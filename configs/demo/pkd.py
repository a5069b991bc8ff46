# The baseline: PKD (arXiv:2207.02039) between the same levels, without a flow, in the same wrapper.
_base_ = 'pair.py'

model = dict(method='pkd')
