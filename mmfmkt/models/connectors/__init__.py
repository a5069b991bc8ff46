from .flow_connector import FlowConnector

__all__ = ['FlowConnector']
