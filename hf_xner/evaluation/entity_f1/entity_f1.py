"""Entity precision, recall and F1 for the ``evaluate`` library, which loads this file without the network."""

from __future__ import annotations

import datasets
import evaluate

from hf_xner.evaluation.metrics import entity_scores

_DESCRIPTION = """\
Entity-level precision, recall and F1 (micro, macro and per type), equal to conlleval and to seqeval's default mode:
an entity counts when its type and both its borders are right."""

_CITATION = """\
@inproceedings{tjong-kim-sang-de-meulder-2003-introduction,
  title = {Introduction to the {C}o{NLL}-2003 Shared Task: Language-Independent Named Entity Recognition},
  author = {Tjong Kim Sang, Erik F. and De Meulder, Fien},
  booktitle = {Proceedings of the Seventh Conference on Natural Language Learning at {HLT}-{NAACL} 2003},
  year = {2003},
  pages = {142--147},
}"""

_INPUTS = """\
Args:
    predictions: Predicted tags, a list a sentence.
    references: Gold tags, a list a sentence.
    scheme: The scheme of both: iob1, iob2 (default), iobes or bmes.
Returns:
    precision, recall, f1, macro_f1, accuracy, counts, and per_type with the same for each entity type."""


class EntityF1(evaluate.Metric):
    """Entity scores as an ``evaluate`` metric."""

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": tags, "references": tags}),
            reference_urls=["https://www.clips.uantwerpen.be/conll2003/ner/"],
        )

    def _compute(self, predictions: list[list[str]], references: list[list[str]], scheme: str = "iob2") -> dict:
        return entity_scores(references, predictions, scheme).to_dict()
