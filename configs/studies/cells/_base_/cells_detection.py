# 364 photographs of blood smears with boxes of people (BCCD, github.com/Shenggan/BCCD_Dataset, MIT licence) as a COCO
# folder; docs/studies.md says how to make it.
_base_ = '../../../demo/_base_/digits_detection.py'

data_root = 'data/bccd/'
classes = ('RBC', 'WBC', 'Platelets')
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(256, 192), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5, direction=['horizontal', 'vertical']),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 192), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
cells = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(batch_size=8, dataset=dict(cells, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(cells, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = val_evaluator
