# FM-KT on features and logits.
_base_ = 'pair.py'

model = dict(method='fmkt-feature-logit')
