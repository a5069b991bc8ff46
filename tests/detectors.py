"""mmdet's own configs at a width that a test can afford: the same types, R18 with four base channels, 16 channels."""
from mmengine.hub import get_config

WIDTH, CLASSES, HIDDEN = 16, 10, 32
CONFIGS = dict(
    retinanet='retinanet/retinanet_r50_fpn_1x_coco.py',
    fcos='fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
    gfl='gfl/gfl_r50_fpn_1x_coco.py',
    atss='atss/atss_r50_fpn_1x_coco.py',
    tood='tood/tood_r50_fpn_1x_coco.py',
    vfnet='vfnet/vfnet_r50_fpn_1x_coco.py',
    faster_rcnn='faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    mask_rcnn='mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
    cascade_rcnn='cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
    yolox='yolox/yolox_s_8xb8-300e_coco.py',
)


def tiny(name, num_classes=CLASSES):
    """Config of a tiny detector of this family."""
    model = get_config(f'mmdet::{CONFIGS[name]}').model
    if name == 'yolox':
        return model
    model.backbone = dict(type='ResNet', depth=18, base_channels=4, norm_cfg=dict(type='BN'))
    model.neck.update(in_channels=[4, 8, 16, 32], out_channels=WIDTH)
    if 'roi_head' in model:
        model.rpn_head.update(in_channels=WIDTH, feat_channels=WIDTH)
        model.roi_head.bbox_roi_extractor.out_channels = WIDTH
        heads = model.roi_head.bbox_head
        for head in heads if isinstance(heads, list) else [heads]:
            head.update(in_channels=WIDTH, fc_out_channels=HIDDEN, num_classes=num_classes)
        if 'mask_head' in model.roi_head:
            model.roi_head.mask_roi_extractor.out_channels = WIDTH
            model.roi_head.mask_head.update(in_channels=WIDTH, conv_out_channels=WIDTH, num_classes=num_classes)
    else:
        model.bbox_head.update(in_channels=WIDTH, feat_channels=WIDTH, stacked_convs=1, num_classes=num_classes)
        if name != 'retinanet':
            model.bbox_head.norm_cfg = dict(type='GN', num_groups=4)
    return model
