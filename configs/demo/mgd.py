# MGD. Its weight is for a sum over an image of COCO, where the finest level has 256 x 100 x 168 entries; here it has
# 64 x 16 x 16.
_base_ = 'pair.py'

model = dict(method='mgd', loss=dict(metric=dict(alpha_mgd=2e-5 * (256 * 100 * 168) / (64 * 16 * 16))))
