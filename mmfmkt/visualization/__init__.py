"""Pictures of a flow: its features, its errors, the paths of objects, and what the detectors find."""

from .detections import detections_figure, draw_detections
from .error_chart import Errors, draw_errors
from .feature_sheet import draw_sheet
from .figures import save, to_rgb
from .objects import Objects
from .photos import Photo, collate, in_batches, paths_through, photo_from, photo_of_file
from .projection import draw_projection
from .recording import LevelPath, find_flow_loss, record_paths

__all__ = [
    'Errors',
    'LevelPath',
    'Objects',
    'Photo',
    'collate',
    'detections_figure',
    'draw_detections',
    'draw_errors',
    'draw_projection',
    'draw_sheet',
    'find_flow_loss',
    'in_batches',
    'paths_through',
    'photo_from',
    'photo_of_file',
    'record_paths',
    'save',
    'to_rgb',
]
