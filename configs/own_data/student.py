# The student, on data of your own: a RetinaNet R50, COCO files, classes with names of your own.
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'

data_root = 'data/own/'
classes = ('cat', 'dog')  # the names in the files; every other category is left out

model = dict(bbox_head=dict(num_classes=len(classes)))
own = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(dataset=dict(own, ann_file='annotations/train.json', data_prefix=dict(img='train/')))
val_dataloader = dict(dataset=dict(own, ann_file='annotations/val.json', data_prefix=dict(img='val/')))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/val.json')
test_evaluator = val_evaluator
