"""Entity F1 as a module of the ``evaluate`` library: ``evaluate.load(local_metric_path())`` loads it."""
