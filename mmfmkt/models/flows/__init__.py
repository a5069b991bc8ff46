from . import flow_parts  # noqa: F401 (registers schedules and solvers)
from .flow_connector import FlowConnector
from .flow_head import flow_head
from .flow_neck import FlowNeck
from .pyramid_flow import PyramidFlow
from .student_classifier import StudentClassifier

__all__ = ['FlowConnector', 'FlowNeck', 'PyramidFlow', 'StudentClassifier', 'flow_head']
