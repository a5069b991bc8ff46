from .flow_head import FlowHead

__all__ = ['FlowHead']
