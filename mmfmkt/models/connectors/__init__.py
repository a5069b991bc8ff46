from .flow_connector import FlowConnector
from .student_classifier import StudentClassifier

__all__ = ['FlowConnector', 'StudentClassifier']
