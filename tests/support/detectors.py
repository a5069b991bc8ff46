"""mmdet's own configs at a width that a test can afford: the same types, a sixteenth of the channels, one layer each.

`tiny` shrinks any config of the table by the same rules. What a config leaves to a default of mmdet's is in `DEFAULTS`,
what follows no rule in `OVERRIDES`. After a build, some need `init_weights` to be finite (the deformable DETRs,
DetectoRS) or to have boxes at all (Sparse R-CNN), and TOOD an `epoch` in MMEngine's MessageHub.
"""

import copy
import functools

import torch
from mmdet.models.backbones import Darknet
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.hub import get_config
from mmengine.structures import InstanceData

SHRINK, CLASSES = 16, 10
WIDTH, HIDDEN = 256 // SHRINK, 1024 // SHRINK  # of a pyramid and its heads, of the layers of a RoI head
CONFIGS = dict(
    # dense heads
    retinanet='retinanet/retinanet_r50_fpn_1x_coco',
    fcos='fcos/fcos_r50-caffe_fpn_gn-head_1x_coco',
    gfl='gfl/gfl_r50_fpn_1x_coco',
    atss='atss/atss_r50_fpn_1x_coco',
    tood='tood/tood_r50_fpn_1x_coco',
    vfnet='vfnet/vfnet_r50_fpn_1x_coco',
    reppoints='reppoints/reppoints-moment_r50_fpn-gn_head-gn_1x_coco',
    paa='paa/paa_r50_fpn_1x_coco',
    ddod='ddod/ddod_r50_fpn_1x_coco',
    fsaf='fsaf/fsaf_r50_fpn_1x_coco',
    foveabox='foveabox/fovea_r50_fpn_4xb4-1x_coco',
    free_anchor='free_anchor/freeanchor_r50_fpn_1x_coco',
    centernet_update='centernet/centernet-update_r50-caffe_fpn_ms-1x_coco',
    autoassign='autoassign/autoassign_r50-caffe_fpn_1x_coco',
    sabl_retinanet='sabl/sabl-retinanet_r50_fpn_1x_coco',
    libra_retinanet='libra_rcnn/libra-retinanet_r50_fpn_1x_coco',
    yolof='yolof/yolof_r50-c5_8xb8-1x_coco',
    centernet='centernet/centernet_r18_8xb16-crop512-140e_coco',
    cornernet='cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco',
    nas_fcos='nas_fcos/nas-fcos_r50-caffe_fpn_nashead-gn-head_4xb4-1x_coco',
    yolox='yolox/yolox_s_8xb8-300e_coco',
    rtmdet='rtmdet/rtmdet_s_8xb32-300e_coco',
    yolov3='yolo/yolov3_d53_8xb8-320-273e_coco',
    yolov3_mobilenetv2='yolo/yolov3_mobilenetv2_8xb24-320-300e_coco',
    ssd='ssd/ssd300_coco',
    ssdlite_mobilenetv2='ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco',
    # other backbones and necks
    retinanet_x101='retinanet/retinanet_x101-32x4d_fpn_1x_coco',
    retinanet_swin='swin/retinanet_swin-t-p4-w7_fpn_1x_coco',
    retinanet_pvt='pvt/retinanet_pvt-t_fpn_1x_coco',
    retinanet_nasfpn='nas_fpn/retinanet_r50_nasfpn_crop640-50e_coco',
    atss_dyhead='dyhead/atss_r50_fpn_dyhead_1x_coco',
    mask_rcnn_swin='swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco',
    faster_rcnn_hrnet='hrnet/faster-rcnn_hrnetv2p-w18-1x_coco',
    faster_rcnn_pafpn='pafpn/faster-rcnn_r50_pafpn_1x_coco',
    faster_rcnn_c4='faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco',
    faster_rcnn_dc5='faster_rcnn/faster-rcnn_r50-caffe-dc5_1x_coco',
    detectors_rfp='detectors/detectors_cascade-rcnn_r50_1x_coco',
    # RoI heads
    faster_rcnn='faster_rcnn/faster-rcnn_r50_fpn_1x_coco',
    mask_rcnn='mask_rcnn/mask-rcnn_r50_fpn_1x_coco',
    cascade_rcnn='cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco',
    cascade_mask_rcnn='cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco',
    htc='htc/htc-without-semantic_r50_fpn_1x_coco',
    libra_rcnn='libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco',
    double_heads='double_heads/dh-faster-rcnn_r50_fpn_1x_coco',
    dynamic_rcnn='dynamic_rcnn/dynamic-rcnn_r50_fpn_1x_coco',
    grid_rcnn='grid_rcnn/grid-rcnn_r50_fpn_gn-head_1x_coco',
    sparse_rcnn='sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco',
    # queries
    detr='detr/detr_r50_8xb2-150e_coco',
    conditional_detr='conditional_detr/conditional-detr_r50_8xb2-50e_coco',
    dab_detr='dab_detr/dab-detr_r50_8xb2-50e_coco',
    deformable_detr='deformable_detr/deformable-detr_r50_16xb2-50e_coco',
    dino='dino/dino-4scale_r50_8xb2-12e_coco',
    ddq_detr='ddq/ddq-detr-4scale_r50_8xb2-12e_coco',
    # masks without a RoI head
    condinst='condinst/condinst_r50_fpn_ms-poly-90k_coco_instance',
    solov2='solov2/solov2_r50_fpn_1x_coco',
    yolact='yolact/yolact_r50_1xb8-55e_coco',
    rtmdet_ins='rtmdet/rtmdet-ins_s_8xb32-300e_coco',
)
# key of a config -> its value in every tiny one
SIZES = dict(
    num_groups=4,
    stacked_convs=1,
    num_convs=1,
    num_layers=2,
    stack_times=1,
    num_modules=1,
    num_blocks=1,
    stage_blocks=1,
    num=32,
    num_queries=20,
    num_proposals=20,
    num_dn_queries=4,
    max_per_img=20,
    score_thr=0.0,
    filter_thr=0.0,
)  # whatever an untrained detector says is a prediction
WIDTHS = ('embed_dims', 'num_feats', 'num_deconv_filters', 'rfp_inplanes')  # and every '*channel*'
# type -> arguments that a config leaves to mmdet's default
GROUP_NORM = ('FCOS', 'GFL', 'ATSS', 'TOOD', 'VFNet', 'PAA', 'DDOD', 'CenterNetUpdate', 'AutoAssign', 'CondInstBbox')
DEFAULTS = dict(
    **{name: dict(base_channels=64 // SHRINK) for name in ('ResNet', 'ResNeXt', 'DetectoRS_ResNet')},
    **{f'{name}Head': dict(norm_cfg=dict(type='GN', num_groups=4)) for name in GROUP_NORM},
    **{f'{name}Head': dict(embed_dims=WIDTH) for name in ('DeformableDETR', 'DDQDETR')},
    PyramidVisionTransformer=dict(embed_dims=64 // SHRINK),
    HourglassNet=dict(feat_channel=WIDTH),
)
# name -> keys like those of `SIZES`: these decoders encode positions in 256 numbers
SIZES_OF = dict.fromkeys(('conditional_detr', 'dino'), dict(embed_dims=256, num_feats=128))
# name -> the rest: types of a fixed width and what reads them, and what has no place on a small image
OVERRIDES = dict(
    conditional_detr=dict(neck=dict(out_channels=256)),
    dino=dict(neck=dict(out_channels=256)),
    ddod=dict(bbox_head=dict(use_dcn=False)),  # mmcv's takes no feature map below 3x3
    rtmdet=dict(bbox_head=dict(exp_on_reg=True)),  # else its first boxes may have negative sides
    yolov3=dict(backbone=dict(depth='tiny')),
    yolov3_mobilenetv2=dict(backbone=dict(widen_factor=0.25), neck=dict(in_channels=[80, 24, 8])),
    ssd=dict(
        neck=dict(
            in_channels=(512, 1024),
            out_channels=(512, 1024, 32, 16, 16, 16),
            level_strides=(2, 2, 2, 2),
            level_paddings=(1, 1, 1, 1),
        ),
        bbox_head=dict(in_channels=(512, 1024, 32, 16, 16, 16)),
    ),
    ssdlite_mobilenetv2=dict(
        backbone=dict(widen_factor=0.25),
        neck=dict(in_channels=(24, 1280), out_channels=(24, 1280, 32, 16, 16, 8)),
        bbox_head=dict(in_channels=(24, 1280, 32, 16, 16, 8)),
    ),
    retinanet_x101=dict(backbone=dict(depth=50, groups=2)),
    faster_rcnn_c4=dict(roi_head=dict(shared_head=dict(depth=18, stage=1))),
    condinst=dict(mask_head=dict(num_layers=3)),
)
LARGE = ("'NASFPN'", "'RFP'")  # necks that want an image of 128 pixels, as `str` of a config shows them
Darknet.arch_settings['tiny'] = ((1,) * 5, ((32, 4), (4, 8), (8, 16), (16, 32), (32, 64)))


def tiny(name, num_classes=CLASSES):
    """Config of a tiny detector of this family."""
    model = shrink(full(name), dict(SIZES, **SIZES_OF.get(name, {}), num_classes=num_classes))
    model.merge(copy.deepcopy(OVERRIDES.get(name, {})))
    return model


def tiny_version(model, num_classes=CLASSES):
    """Config of a tiny version of the detector of any config."""
    sizes, changes = dict(SIZES, num_classes=num_classes), {}
    if model.type == 'DINO':
        sizes, changes = dict(sizes, **SIZES_OF['dino']), OVERRIDES['dino']
    if model.type == 'RTMDet':
        changes = OVERRIDES['rtmdet']
    if model.backbone.type == 'ResNeXt':
        changes = OVERRIDES['retinanet_x101']
    small = shrink(model, sizes)
    small.backbone = shrink(model.backbone, SIZES)
    small.merge(copy.deepcopy(changes))
    return small


@functools.cache
def full(name):
    """Config of mmdet's own."""
    return get_config(f'mmdet::{CONFIGS[name]}.py').model


def shrink(config, sizes):
    """The config with these sizes and a sixteenth of all other channels, and nothing pretrained or frozen."""
    if isinstance(config, (list, tuple)):
        return type(config)(shrink(each, sizes) for each in config)
    if not isinstance(config, dict):
        return 'BN' if config == 'SyncBN' else config
    small = ConfigDict(DEFAULTS.get(config.get('type'), {}))
    for key, value in config.items():
        if key in sizes:
            small[key] = on_each(lambda size: sizes[key], value)
        elif key == 'widen_factor':
            small[key] = value / SHRINK
        elif key in WIDTHS or 'channel' in key:
            small[key] = on_each(narrow, value)
        elif key not in ('frozen_stages', 'pretrained') and not (key == 'init_cfg' and 'checkpoint' in value):
            small[key] = shrink(value, sizes)
    return small


def on_each(function, value):
    if isinstance(value, (list, tuple)):
        return type(value)(on_each(function, each) for each in value)
    return function(value)


def narrow(width):
    if isinstance(width, float):
        return width / SHRINK
    return width // SHRINK if width >= SHRINK else width


def batch_for(model, size=None):
    """Two random images with two boxes each, and masks where a detector (its name or its config) learns some."""
    model = tiny(model) if isinstance(model, str) else model
    size = size or (128 if any(neck in str(model) for neck in LARGE) else 64)
    generator, samples = torch.Generator().manual_seed(0), []
    for _ in range(2):
        shape = (size, size)
        sample = DetDataSample(
            metainfo=dict(
                img_shape=shape,
                ori_shape=shape,
                pad_shape=shape,
                batch_input_shape=shape,
                scale_factor=(1.0, 1.0),
                border=(0, size, 0, size),
            )
        )  # the last for CenterNet
        corner = torch.rand(2, 2, generator=generator) * size / 2
        extent = (0.25 + torch.rand(2, 2, generator=generator) / 4) * size
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corner, corner + extent], 1), labels=torch.randint(CLASSES, (2,), generator=generator)
        )
        if 'loss_mask' in str(model):
            sample.gt_instances.masks = box_masks(sample.gt_instances.bboxes, size)
        samples.append(sample)
    return torch.randn(2, 3, size, size, generator=generator), samples


def box_masks(boxes, size):
    """Masks that fill their boxes."""
    masks = torch.zeros(len(boxes), size, size, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist()):
        mask[top:bottom, left:right] = 1
    return BitmapMasks(masks.numpy(), size, size)
