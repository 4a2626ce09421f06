"""BibTeX of the corpora, for model cards."""

from __future__ import annotations

CONLL2002 = """@inproceedings{tjong-kim-sang-2002-introduction,
  title = {Introduction to the {CoNLL}-2002 Shared Task: Language-Independent Named Entity Recognition},
  author = {Tjong Kim Sang, Erik F.},
  booktitle = {COLING-02: The 6th Conference on Natural Language Learning 2002 ({CoNLL}-2002)},
  year = {2002}
}"""

CONLL2003 = """@inproceedings{tjong-kim-sang-de-meulder-2003-introduction,
  title = {Introduction to the {CoNLL}-2003 Shared Task: Language-Independent Named Entity Recognition},
  author = {Tjong Kim Sang, Erik F. and De Meulder, Fien},
  booktitle = {Proceedings of the Seventh Conference on Natural Language Learning at {HLT-NAACL} 2003},
  year = {2003}
}"""

WIKIANN = """@inproceedings{pan-etal-2017-cross,
  title = {Cross-lingual Name Tagging and Linking for 282 Languages},
  author = {Pan, Xiaoman and Zhang, Boliang and May, Jonathan and Nothman, Joel and Knight, Kevin and Ji, Heng},
  booktitle = {Proceedings of the 55th Annual Meeting of the Association for Computational Linguistics},
  year = {2017}
}
@inproceedings{rahimi-etal-2019-massively,
  title = {Massively Multilingual Transfer for {NER}},
  author = {Rahimi, Afshin and Li, Yuan and Cohn, Trevor},
  booktitle = {Proceedings of the 57th Annual Meeting of the Association for Computational Linguistics},
  year = {2019}
}"""

NORNE = """@inproceedings{jorgensen-etal-2020-norne,
  title = {{NorNE}: Annotating Named Entities for {N}orwegian},
  author = {J{\\o}rgensen, Fredrik and Aasmoe, Tobias and Ruud Hus{\\aa}s, Anne-Stine and {\\O}vrelid, Lilja and
            Velldal, Erik},
  booktitle = {Proceedings of the Twelfth Language Resources and Evaluation Conference},
  year = {2020}
}"""

NODALIDA2019 = """@inproceedings{johansen-2019-named,
  title = {Named-Entity Recognition for {N}orwegian},
  author = {Johansen, Bjarte},
  booktitle = {Proceedings of the 22nd Nordic Conference on Computational Linguistics},
  year = {2019}
}"""

MULTICONER = """@inproceedings{malmasi-etal-2022-multiconer,
  title = {{MultiCoNER}: A Large-scale Multilingual Dataset for Complex Named Entity Recognition},
  author = {Malmasi, Shervin and Fang, Anjie and Fetahu, Besnik and Kar, Sudipta and Rokhlenko, Oleg},
  booktitle = {Proceedings of the 29th International Conference on Computational Linguistics},
  year = {2022}
}"""

MULTICONER2 = """@inproceedings{fetahu-etal-2023-multiconer,
  title = {{MultiCoNER} v2: a Large Multilingual dataset for Fine-grained and Noisy Named Entity Recognition},
  author = {Fetahu, Besnik and Chen, Zhiyu and Kar, Sudipta and Rokhlenko, Oleg and Malmasi, Shervin},
  booktitle = {Findings of the Association for Computational Linguistics: {EMNLP} 2023},
  year = {2023}
}"""

FINER = """@article{ruokolainen-etal-2020-finnish,
  title = {A {F}innish news corpus for named entity recognition},
  author = {Ruokolainen, Teemu and Kauppinen, Pekka and Silfverberg, Miikka and Lind{\\'e}n, Krister},
  journal = {Language Resources and Evaluation},
  volume = {54},
  year = {2020}
}"""

BARI = """@inproceedings{bari-etal-2020-zero,
  title = {Zero-Resource Cross-Lingual Named Entity Recognition},
  author = {Bari, M Saiful and Joty, Shafiq and Jwalapuram, Prathyusha},
  booktitle = {Proceedings of the Thirty-Fourth {AAAI} Conference on Artificial Intelligence},
  year = {2020}
}"""

AQMAR = """@inproceedings{mohit-etal-2012-recall,
  title = {Recall-Oriented Learning of Named Entities in {A}rabic {W}ikipedia},
  author = {Mohit, Behrang and Schneider, Nathan and Bhowmick, Rishav and Oflazer, Kemal and Smith, Noah A.},
  booktitle = {Proceedings of the 13th Conference of the European Chapter of the Association for Computational
               Linguistics},
  year = {2012}
}"""

UNER = """@inproceedings{mayhew-etal-2024-universal,
  title = {Universal {NER}: A Gold-Standard Multilingual Named Entity Recognition Benchmark},
  author = {Mayhew, Stephen and Blevins, Terra and Liu, Shuheng and {\\v{S}}uppa, Marek and Gonen, Hila and others},
  booktitle = {Proceedings of the 2024 Conference of the North {A}merican Chapter of the Association for Computational
               Linguistics},
  year = {2024}
}"""
