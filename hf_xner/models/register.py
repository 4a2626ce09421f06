"""Makes transformers' Auto classes know the research models."""

from __future__ import annotations


def register_models() -> None:
    """Register every research model with the Auto classes, and have their code saved beside their weights.

    Calling it again changes nothing. Imports torch and transformers.
    """
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForTokenClassification

    from .adversarial import AdversarialConfig, AdversarialForTokenClassification
    from .bilstm_crf import BiLstmCrfConfig, BiLstmCrfForTokenClassification
    from .language_similarity import LanguageSimilarityConfig, LanguageSimilarityModel
    from .multi_channel import MultiChannelConfig, MultiChannelForTokenClassification
    from .word_features import WordFeatureExtractor

    for config, model in (
        (AdversarialConfig, AdversarialForTokenClassification),
        (BiLstmCrfConfig, BiLstmCrfForTokenClassification),
        (MultiChannelConfig, MultiChannelForTokenClassification),
    ):
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModelForTokenClassification.register(config, model, exist_ok=True)
        config.register_for_auto_class()
        model.register_for_auto_class("AutoModelForTokenClassification")
    # The one model that reads words instead of a tokenizer's sub-words.
    AutoFeatureExtractor.register(BiLstmCrfConfig, WordFeatureExtractor, exist_ok=True)
    WordFeatureExtractor.register_for_auto_class("AutoFeatureExtractor")
    # The one model that tags nothing.
    AutoConfig.register(LanguageSimilarityConfig.model_type, LanguageSimilarityConfig, exist_ok=True)
    AutoModel.register(LanguageSimilarityConfig, LanguageSimilarityModel, exist_ok=True)
    LanguageSimilarityConfig.register_for_auto_class()
    LanguageSimilarityModel.register_for_auto_class("AutoModel")
