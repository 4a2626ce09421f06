from demo.fixtures import toy_run
from test_wheel import wheel

__all__ = ["toy_run", "wheel"]
