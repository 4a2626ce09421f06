"""Tests for translated and recombined corpora: every rule of UniTrans' translation has its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.translation.augment import TranslationRules, check_kept, count_untranslated, translate_corpus
from hf_xner.translation.casing import SampledCase, keep_case, source_case
from hf_xner.translation.segments import segments, tag_strings
from hf_xner.translation.setup import TranslationOptions
from hf_xner.translation.switching import code_switch, has_several_orders, refuse_other_entities, shuffle_spans
from hf_xner.translation.translators import TableTranslator
from hf_xner.translation.units import TargetUnits

TABLE = TableTranslator(
    {
        "the": "el",
        "bank": "banco",
        "of": "de",
        "england": "inglaterra",
        "street": "straße",
        "1996": "1995",
        "angela": "ángela",
        "us": "eeuu",
        "a": "un",
        "newspaper": "periódico diario",
        "hyde": "north hyde",
        "gold": "金子",
    }
)


class Phrases(TableTranslator):
    """Writes a phrase backwards, so that it shows what was translated whole; drops the phrase "gone"."""

    def translate_phrases(self, phrases: Sequence[str]) -> list[str | None]:
        return [None if phrase == "gone" else " ".join(reversed(phrase.split())) + " !" for phrase in phrases]


def translated(make_corpus, tokens: str, tags: str, rules: TranslationRules | None = None, translator=TABLE):
    result = translate_corpus(make_corpus((tokens.split(), tags.split())), translator, rules)
    return result[0]["tokens"], tag_strings(result)[0]


def test_tags_and_tokens_stay_aligned(make_corpus) -> None:
    tokens, tags = translated(make_corpus, "The Bank of England rose", "O B-ORG I-ORG I-ORG O")
    assert tokens == ["El", "Banco", "de", "Inglaterra", "rose"]
    assert tags == ["O", "B-ORG", "I-ORG", "I-ORG", "O"]


def test_features_ids_and_orphans_are_copied(make_corpus) -> None:
    corpus = make_corpus((["the", "bank"], ["I-LOC", "O"]), ([], []))
    result = translate_corpus(corpus, TABLE)
    assert result.features == corpus.features
    assert list(result["id"]) == ["0", "1"]
    assert tag_strings(result) == [["I-LOC", "O"], []]


def test_persons_are_copied_unless_told_otherwise(make_corpus) -> None:
    args = ("angela The England", "B-PER I-PER B-LOC")
    assert translated(make_corpus, *args)[0] == ["angela", "The", "Inglaterra"]
    assert translated(make_corpus, *args, TranslationRules(keep_types=()))[0] == ["ángela", "El", "Inglaterra"]
    assert translated(make_corpus, *args, TranslationRules(keep_types=("LOC",)))[0] == ["ángela", "El", "England"]


def test_unknown_words_are_copied_with_their_case(make_corpus) -> None:
    assert translated(make_corpus, "iPhone KIEL Bonn -DOCSTART-", "O O O O")[0] == [
        "iPhone",
        "KIEL",
        "Bonn",
        "-DOCSTART-",
    ]


def test_words_are_looked_up_and_given_in_lower_case(make_corpus) -> None:
    loud = TableTranslator({"The": "EL", "the": "la"})
    assert translated(make_corpus, "the THE", "O O", translator=loud)[0] == ["el", "EL"]


def test_numbers_are_words_like_others(make_corpus) -> None:
    assert translated(make_corpus, "1996", "O")[0] == ["1995"]


@pytest.mark.parametrize(
    ("source", "translation", "written"),
    [
        ("BANK", "banco", "BANCO"),
        ("Bank", "banco", "Banco"),
        ("bank", "Banco", "banco"),
        ("bAnk", "Banco", "banco"),
        ("McDonald", "banco", "Banco"),
        ("A", "un", "Un"),  # one upper-case letter counts as capitalised
        ("STREET", "straße", "STRASSE"),
        ("Bank", "uSA", "USA"),  # the rest as in the dictionary
        ("U.S.", "eeuu", "EEUU"),
        ("3", "Drei", "drei"),
        ("", "Drei", "drei"),
    ],
)
def test_case_follows_the_source_word(source: str, translation: str, written: str) -> None:
    assert source_case(source, translation) == written
    assert keep_case(source, translation) == translation


def test_german_case_is_sampled_as_the_text_has_it() -> None:
    text = [["essen"] * 30 + ["Essen"] * 60 + ["ESSEN", "eSSen"] * 5 + ["Haus", "X", "straße", "STRASSE"]]
    case = SampledCase(text, seed=1)
    counts = Counter(case("eat", "Essen") for _ in range(2000))
    assert {form: round(count / 200) for form, count in counts.items()} == {"essen": 3, "Essen": 6, "ESSEN": 1}
    assert case("house", "haus") == "Haus"
    assert case("x", "x") == "X"
    assert SampledCase([["eSSe"]])("esse", "esse") == "ESSE"
    assert SampledCase([["GROẞ", "GROß"]])("big", "groß") in {"GROSS"}


def test_words_that_the_text_lacks_follow_the_source_word() -> None:
    assert SampledCase([["Haus"]])("BANK", "kasse") == "KASSE"


def test_german_case_is_the_same_each_time(make_corpus) -> None:
    words, tags = "the bank " * 40, "O " * 80
    texts = [["el", "El", "BANCO", "banco"]]
    rules = TranslationRules(casing=SampledCase(texts, seed=3))
    first = translated(make_corpus, words, tags, rules)
    assert translated(make_corpus, words, tags, rules) == first
    assert translated(make_corpus, words, tags, TranslationRules(casing=SampledCase(texts, seed=3))) == first
    assert translated(make_corpus, words, tags, TranslationRules(casing=SampledCase(texts, seed=4))) != first
    assert len(set(first[0])) == 4


def test_copied_words_keep_their_case_in_german_too(make_corpus) -> None:
    rules = TranslationRules(casing=SampledCase([["KIEL", "ANGELA"]]))
    assert translated(make_corpus, "Kiel Angela", "O B-PER", rules)[0] == ["Kiel", "Angela"]


def test_several_words_for_one(make_corpus) -> None:
    args = ("Newspaper Hyde Hyde", "O B-LOC I-LOC")
    assert translated(make_corpus, *args) == (
        ["Periódico diario", "North hyde", "North hyde"],
        ["O", "B-LOC", "I-LOC"],
    )
    tokens, tags = translated(make_corpus, *args, TranslationRules(several_words="expand"))
    assert tokens == ["Periódico", "diario", "North", "hyde", "North", "hyde"]
    assert tags == ["O", "O", "B-LOC", "I-LOC", "I-LOC", "I-LOC"]


def test_unspaced_scripts_are_cut_and_tags_carried(make_corpus) -> None:
    characters = TranslationRules(units=TargetUnits([["金", "子", "A"]]))
    assert translated(make_corpus, "gold gold kiel", "B-MISC I-MISC O", characters) == (
        ["金", "子", "金", "子", "kiel"],
        ["B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"],
    )
    words = TranslationRules(units=TargetUnits([["金子"]]))
    assert translated(make_corpus, "gold", "B-MISC", words) == (["金子"], ["B-MISC"])


@pytest.mark.parametrize(
    ("text", "word", "units"),
    [
        ([], "原子能", ["原", "子", "能"]),
        ([], "Kiel", ["Kiel"]),
        ([["原子", "子能"]], "原子能", ["原子", "能"]),
        ([], "iPhone手机2号", ["iPhone", "手", "机", "2", "号"]),
        ([], "กำ", ["กำ"]),  # a written character with its marks
        ([["ก", "ำ"]], "กำ", ["ก", "ำ"]),  # unless the corpus cuts there
        ([], "서울", ["서울"]),
    ],
)
def test_units(text: list[list[str]], word: str, units: list[str]) -> None:
    assert TargetUnits(text).split(word) == units


@given(word=st.text("金子能กำa1 -", min_size=1), words=st.lists(st.text("金子能กำ", min_size=1, max_size=3)))
def test_units_lose_nothing(word: str, words: list[str]) -> None:
    units = TargetUnits([words]).split(word)
    assert "".join(units) == word and all(units)


def test_phrase_strategies(make_corpus) -> None:
    args = ("the Bank of England saw Angela", "O B-ORG I-ORG I-ORG O B-PER")
    translator = Phrases({"the": "el", "saw": "vio"})
    keep = {"casing": keep_case}
    assert translated(make_corpus, *args, TranslationRules(strategy="phrase", **keep), translator) == (
        ["the", "!", "England", "of", "Bank", "!", "saw", "!", "Angela"],
        ["O", "O", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "O", "O", "B-PER"],
    )
    assert translated(make_corpus, *args, TranslationRules(strategy="word_phrase", **keep), translator) == (
        ["el", "England", "of", "Bank", "!", "vio", "Angela"],
        ["O", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "O", "B-PER"],
    )
    loud = TranslationRules(strategy="phrase", casing_of_phrases=True)
    assert translated(make_corpus, "BANK Of", "O O", loud, translator)[0] == ["OF", "BANK", "!"]
    # What is translated to nothing is copied.
    assert translated(make_corpus, "gone", "B-LOC", TranslationRules(strategy="phrase"), translator)[0] == ["gone"]


def test_unfit_requests_are_refused(make_corpus) -> None:
    corpus = make_corpus((["a"], ["O"]))
    with pytest.raises(InputError, match="TableTranslator translates words, not phrases"):
        translate_corpus(corpus, TABLE, TranslationRules(strategy="phrase"))
    with pytest.raises(InputError, match="no strategy 'sentence'; there are word, phrase, word_phrase"):
        TranslationRules(strategy="sentence")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no treatment 'drop'"):
        TranslationRules(several_words="drop")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no column 'ner_tags'; only a labelled corpus"):
        translate_corpus(corpus.remove_columns("ner_tags"), TABLE)


def test_code_switching_swaps_entities(make_corpus) -> None:
    source = make_corpus((["the", "Bank", "of", "fell"], ["O", "B-ORG", "I-ORG", "O"]), (["up"], ["O"]))
    target = make_corpus((["el", "Banco", "de", "cayó"], ["O", "B-ORG", "I-ORG", "O"]), (["sube"], ["O"]))
    source_contexts, target_contexts = code_switch(source, target)
    assert list(source_contexts["tokens"]) == [["the", "Banco", "de", "fell"], ["up"]]
    assert list(target_contexts["tokens"]) == [["el", "Bank", "of", "cayó"], ["sube"]]
    assert tag_strings(source_contexts) == tag_strings(target_contexts) == tag_strings(source)


def test_code_switching_of_phrases(make_corpus) -> None:
    source = make_corpus((["in", "New", "York", "today"], ["O", "B-LOC", "I-LOC", "O"]))
    target = make_corpus((["heute", "in", "Neuyork"], ["O", "O", "B-LOC"]))
    with pytest.raises(InputError, match="have different entities or stretches of words between them"):
        code_switch(source, target)
    target = make_corpus((["in", "der", "Stadt", "Neuyork", "heute"], ["O", "O", "O", "B-LOC", "O"]))
    first, second = code_switch(source, target)
    assert first[0]["tokens"] == ["in", "Neuyork", "today"]
    assert tag_strings(first) == [["O", "B-LOC", "O"]]
    assert second[0]["tokens"] == ["in", "der", "Stadt", "New", "York", "heute"]
    assert tag_strings(second) == [["O", "O", "O", "B-LOC", "I-LOC", "O"]]
    with pytest.raises(InputError, match="1 sentences against 0 translated ones"):
        code_switch(source, source.select([]))


def test_a_translation_has_the_entities_of_its_source(make_corpus) -> None:
    source = make_corpus((["in", "New", "York", "John", "sat"], ["O", "B-LOC", "I-LOC", "B-PER", "O"]))
    refuse_other_entities(source, make_corpus((["Neuyork", ",", "John"], ["B-LOC", "O", "B-PER"])))
    for tags in (["B-PER", "O", "B-LOC"], ["B-LOC", "O", "O"], ["B-LOC", "B-LOC", "B-PER"]):
        with pytest.raises(InputError, match="sentence '0': the sentence and its translation have different entities"):
            refuse_other_entities(source, make_corpus((["a", "b", "c"], tags)))


def test_shuffling_stays_inside_spans(make_corpus) -> None:
    tokens = [f"w{i}" for i in range(40)]
    tags = ["O"] * 15 + ["B-ORG"] + ["I-ORG"] * 9 + ["B-ORG"] + ["I-ORG"] * 4 + ["O"] * 10
    corpus = make_corpus((tokens, tags))
    shuffled = shuffle_spans(corpus, seed=1)
    assert tag_strings(shuffled) == [tags]
    words = shuffled[0]["tokens"]
    assert words != tokens
    for _, start, end in segments(tags):
        assert sorted(words[start:end]) == sorted(tokens[start:end])
        assert words[start:end] != tokens[start:end]
    assert list(shuffle_spans(corpus, seed=1)["tokens"]) == list(shuffled["tokens"])
    assert list(shuffle_spans(corpus, seed=2)["tokens"]) != list(shuffled["tokens"])


def test_what_has_another_order_gets_one(make_corpus) -> None:
    names = make_corpus(*[(["Angela", "Merkel", "in", "Kiel"], ["B-PER", "I-PER", "O", "B-LOC"])] * 30)
    assert [row[:2] for row in shuffle_spans(names)["tokens"]] == [["Merkel", "Angela"]] * 30
    fixed = (["Kiel", "ha", "ha", "Bonn"], ["B-LOC", "O", "O", "B-LOC"])
    assert shuffle_spans(make_corpus(fixed))["tokens"][0] == fixed[0]
    assert not has_several_orders(*fixed) and not has_several_orders([], [])
    assert has_several_orders(["Kiel", "ha", "oh", "Bonn"], fixed[1])


def test_a_translation_that_changes_nothing_is_none_unless_it_is_short():
    corpus = Dataset.from_dict({"tokens": [["Kiel"], ["a", "bank"]] * 10})
    other = Dataset.from_dict({"tokens": [["Kiel"], ["una", "banca"]] * 10})
    assert count_untranslated(corpus, other) == 10
    assert count_untranslated(corpus.select([0]), corpus.select([0])) == 1
    with pytest.raises(InputError, match="no word of the source is translated; is the translation of these languages"):
        count_untranslated(corpus, corpus)


def test_types_to_keep_must_be_there_but_for_the_usual_one():
    names = Features({"ner_tags": List(ClassLabel(names=["O", "B-LOC", "I-LOC"]))})
    corpus = Dataset.from_dict({"ner_tags": [[1]]}, features=names)
    check_kept(corpus, ["PER", "LOC"], "--keep")
    check_kept(corpus, [], "--keep")
    with pytest.raises(InputError, match="--keep: the corpus has no type 'LOCC'; it has LOC"):
        check_kept(corpus, ["LOCC"], "--keep")


def test_words_without_a_letter_may_be_copied():
    words = List(Value("string"))
    features = Features({"id": Value("string"), "tokens": words, "ner_tags": List(ClassLabel(names=["O"]))})
    rows = {"id": ["a"], "tokens": [["57", "points", "(", "x2"]], "ner_tags": [[0] * 4]}
    corpus = Dataset.from_dict(rows, features=features)
    translator = TableTranslator({"57": "65", "points": "puntos", "(": ")", "x2": "x3"})
    copied = translate_corpus(corpus, translator, TranslationRules(copy_unlettered=True))
    assert copied["tokens"][0] == ["57", "puntos", "(", "x3"]
    assert translate_corpus(corpus, translator)["tokens"][0] == ["65", "puntos", ")", "x3"]
    options = [TranslationOptions("es", dictionary="d", copy_unlettered=copy) for copy in (False, True)]
    plain, other = (option.rule_settings() for option in options)
    assert "copy_unlettered" not in plain and other == plain | {"copy_unlettered": True}  # keys of stages stay
