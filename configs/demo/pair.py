# The pair for any method: `python tools/train.py configs/demo/pair.py --method cwd`.
_base_ = '_base_/distill.py'

model = dict(_delete_=True, type='mmrazor.FMKTPair', architecture=_base_.model, **_base_.teacher)
