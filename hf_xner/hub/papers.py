"""The papers behind the systems, for cards."""

from __future__ import annotations

import re

from hf_xner.data.citations import BARI

TSL = """@inproceedings{wu-etal-2020-single,
  title = {Single-/Multi-Source Cross-Lingual {NER} via Teacher-Student Learning on Unlabeled Data in Target Language},
  author = {Wu, Qianhui and Lin, Zijia and Karlsson, B{\\"o}rje and Lou, Jian-Guang and Huang, Biqing},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  year = {2020}
}"""

UNITRANS = """@inproceedings{wu-etal-2020-unitrans,
  title = {{UniTrans}: Unifying Model Transfer and Data Transfer for Cross-Lingual Named Entity Recognition with
           Unlabeled Data},
  author = {Wu, Qianhui and Lin, Zijia and Karlsson, B{\\"o}rje F. and Huang, Biqing and Lou, Jian-Guang},
  booktitle = {Proceedings of the Twenty-Ninth International Joint Conference on Artificial Intelligence},
  year = {2020}
}"""

TRANSADV = """@inproceedings{zhao-etal-2022-transadv,
  title = {{TransAdv}: A Translation-based Adversarial Learning Framework for Zero-Resource Cross-Lingual Named Entity
           Recognition},
  author = {Zhao, Yichun and Du, Jintao and Liu, Gongshen and Zhu, Huijia},
  booktitle = {Findings of the Association for Computational Linguistics: {EMNLP} 2022},
  year = {2022}
}"""

MSD = """@inproceedings{ma-etal-2022-wider,
  title = {Wider {\\&} Closer: Mixture of Short-channel Distillers for Zero-shot Cross-lingual Named Entity
           Recognition},
  author = {Ma, Jun-Yu and Chen, Beiduo and Gu, Jia-Chen and Ling, Zhenhua and Guo, Wu and Liu, Quan and
            Chen, Zhigang and Liu, Cong},
  booktitle = {Proceedings of the 2022 Conference on Empirical Methods in Natural Language Processing},
  year = {2022}
}"""

ADVPICKER = """@inproceedings{chen-etal-2021-advpicker,
  title = {{AdvPicker}: Effectively Leveraging Unlabeled Data via Adversarial Discriminator for Cross-Lingual {NER}},
  author = {Chen, Weile and Jiang, Huiqiang and Wu, Qianhui and Karlsson, B{\\"o}rje and Guan, Yi},
  booktitle = {Proceedings of the 59th Annual Meeting of the Association for Computational Linguistics and the 11th
               International Joint Conference on Natural Language Processing},
  year = {2021}
}"""

PAPERS = {"tsl": TSL, "unitrans": UNITRANS, "transadv": TRANSADV, "msd": MSD, "augmented": BARI}
OF_VARIANTS = {"advpicker": ADVPICKER, "tladv": ADVPICKER}  # variants of transadv that another paper is about


def citations_of(system: str, variant: str, corpora: list[str]) -> list[str]:
    """BibTeX entries of a system's paper and of corpora, each once.

    Args:
        system: A system's name; one without a paper (supervised) has none.
        variant: What the model is of what the system makes; some have a paper of their own.
        corpora: The corpora's BibTeX, each possibly several entries or empty.
    """
    texts = [OF_VARIANTS.get(variant, PAPERS.get(system, "")), *corpora]
    entries = [entry.strip() for text in texts for entry in re.split(r"\n(?=@)", text) if entry.strip()]
    return list(dict.fromkeys(entries))
