"""The research models, what they share, and their export to ordinary transformers models.

Importing this package is light. Naming one of the classes below imports torch and transformers and registers all
research models with the Auto classes; so does `import hf_xner.models.auto`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adversarial import AdversarialConfig, AdversarialForTokenClassification
    from .bilstm_crf import BiLstmCrfConfig, BiLstmCrfForTokenClassification
    from .export import export_plain
    from .language_similarity import LanguageSimilarityConfig, LanguageSimilarityModel
    from .multi_channel import MultiChannelConfig, MultiChannelForTokenClassification
    from .word_features import WordFeatureExtractor

_WHERE = {
    "AdversarialConfig": "adversarial",
    "AdversarialForTokenClassification": "adversarial",
    "BiLstmCrfConfig": "bilstm_crf",
    "BiLstmCrfForTokenClassification": "bilstm_crf",
    "LanguageSimilarityConfig": "language_similarity",
    "LanguageSimilarityModel": "language_similarity",
    "MultiChannelConfig": "multi_channel",
    "MultiChannelForTokenClassification": "multi_channel",
    "WordFeatureExtractor": "word_features",
    "export_plain": "export",
}

__all__ = [
    "AdversarialConfig",
    "AdversarialForTokenClassification",
    "BiLstmCrfConfig",
    "BiLstmCrfForTokenClassification",
    "LanguageSimilarityConfig",
    "LanguageSimilarityModel",
    "MultiChannelConfig",
    "MultiChannelForTokenClassification",
    "WordFeatureExtractor",
    "export_plain",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'hf_xner.models' has no attribute {name!r}")
    import_module(f"{__name__}.auto")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
