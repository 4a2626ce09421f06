"""Training without dropout."""

from __future__ import annotations

from torch import nn


def switch_off_dropout(model: nn.Module) -> None:
    """Set every dropout rate of a model to 0, also those that attention keeps as plain numbers.

    The configuration keeps its rates, so that the saved model can be trained further with them.

    Args:
        model: Any model.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, 0.0)
