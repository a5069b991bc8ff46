from .benchmark import run_benchmark

__all__ = ['run_benchmark']
