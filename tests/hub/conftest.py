from .fixtures import conll_run, hub, made_run, run_folder, stranger

__all__ = ["conll_run", "hub", "made_run", "run_folder", "stranger"]
