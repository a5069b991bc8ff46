from .flow_head import flow_head

__all__ = ['flow_head']
