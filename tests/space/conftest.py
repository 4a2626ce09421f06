from tests.demo.fixtures import toy_run
from tests.test_wheel import wheel

__all__ = ["toy_run", "wheel"]
