"""transformers' Auto classes with the research models registered: import them from here to load either kind.

    from hf_xner.models.auto import AutoModelForTokenClassification

Not done by `hf_xner.models` itself, because its parts `builtin` and `freezing` must stay quick to import.
"""

from __future__ import annotations

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForTokenClassification

from .register import register_models

register_models()

__all__ = ["AutoConfig", "AutoFeatureExtractor", "AutoModel", "AutoModelForTokenClassification"]
