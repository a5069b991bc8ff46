from .flow_neck import FlowNeck

__all__ = ['FlowNeck']
