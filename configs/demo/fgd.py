# FGD. Its weights are for sums over an image of COCO, whose finest level has 100 x 168 locations of 256 channels; here
# it has 16 x 16 of 64. Boxes are averaged over their locations.
_base_ = 'pair.py'

channels, locations = 256 / 64, (100 * 168) / (16 * 16)
model = dict(
    method='fgd',
    loss=dict(
        metric=dict(
            alpha=1e-3 * channels, beta=5e-4 * channels, gamma=1e-3 * locations, lambda_=5e-6 * channels * locations
        )
    ),
)
