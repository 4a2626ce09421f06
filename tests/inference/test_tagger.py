"""The Tagger, by what users of other libraries asked for."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import time
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.inference.tagger import Tagger
from hf_xner.labels import spans_from_tags

from .conftest import LexiconModel

SENTENCE = ["Angela", "Merkel", "visited", "Kiel", "."]
MIXED = st.sampled_from([*SENTENCE, "", "\u200b", " ", "\n", "(", "北京", "👩\u200d👧", "\ud800", "\x00", "zzz"])


@pytest.fixture
def tagger(lexicon_model, tiny_tokenizer) -> Tagger:
    return Tagger(lexicon_model, tiny_tokenizer)


def entities(tagged):
    return [(entity.type, entity.text) for entity in tagged.entities]


def test_words_are_not_split_or_glued_with_sentencepiece_tokenizers(metaspace_tokenizer):
    """1"""
    lexicon = {"▁john": "B-PER", "▁s": "I-PER", "smith": "I-PER", "▁petersons": "B-PER", "北": "B-LOC", "京": "I-LOC"}
    tagger = Tagger(LexiconModel(metaspace_tokenizer, lexicon), metaspace_tokenizer)
    words = ["john", "(", "smith", ")", ",", "petersons", "北", "京", "("]
    [tagged] = tagger.tag_words([words])
    assert [token.text for token in tagged.tokens] == words
    raw = tagger.tag_text("john (smith), petersons 北京(")
    assert [token.text for token in raw.tokens] == words
    assert raw.tags == tagged.tags
    assert [entity.text for entity in raw.entities if entity.type == "PER"] == ["john", "petersons"]
    assert all(raw.text[entity.start : entity.end] == entity.text for entity in raw.entities)


def test_pretokenised_input_is_first_class(tagger):
    """2: words come back with word indices and characters, as many as were given."""
    [tagged] = tagger.tag_words([SENTENCE])
    assert [token.text for token in tagged.tokens] == SENTENCE
    assert tagged.tags == ["B-PER", "I-PER", "O", "B-LOC", "O"]
    person, place = tagged.entities
    assert (person.type, person.first_word, person.end_word) == ("PER", 0, 2)
    assert (person.start, person.end, person.text) == (0, 13, "Angela Merkel")
    assert (place.type, place.first_word, place.end_word, place.text) == ("LOC", 3, 4, "Kiel")
    assert tagged.text[place.start : place.end] == "Kiel"
    assert tagged.sentences == [(0, 5)]


def test_words_and_raw_text_get_the_same_tags(tagger):
    """2"""
    raw = tagger.tag_text("Angela Merkel visited Kiel.")
    assert raw.tags == tagger.tag_words([SENTENCE])[0].tags
    assert [(entity.start, entity.end) for entity in raw.entities] == [(0, 13), (22, 26)]


def test_input_is_never_guessed(tagger):
    """3: a list of one-word strings is that many texts; a sentence in place of sentences is an error."""
    assert [tagged.tags for tagged in tagger.tag_text(["Kiel", "visited", "Bonn"])] == [["B-LOC"], ["O"], ["B-LOC"]]
    assert [tagged.tags for tagged in tagger.tag_words([["Kiel"], ["visited", "Bonn"]])] == [["B-LOC"], ["O", "B-LOC"]]
    with pytest.raises(
        InputError, match=r"found the string 'Kiel'; for raw text call tag_text; .* tag_words\(\[words"
    ):
        tagger.tag_words(["Kiel", "Bonn"])
    with pytest.raises(InputError, match="expected sentences of words, found a string"):
        tagger.tag_words("Kiel")
    with pytest.raises(InputError, match="expected a text .* found list; for sentences already split .* tag_words"):
        tagger.tag_text([["Kiel"]])
    with pytest.raises(InputError, match="expected a word .* found int 3"):
        tagger.tag_words([[3]])
    with pytest.raises(InputError, match="expected several texts, found one string"):
        next(tagger.stream_text("Kiel"))


def test_one_answer_for_each_input_and_empty_input_gives_an_empty_answer(tagger):
    """3"""
    texts = ["", "Kiel.", " \n\t", "Kiel. Angela Merkel visited Bonn.", ""]
    answers = tagger.tag_text(texts)
    assert [tagged.text for tagged in answers] == texts
    assert [len(tagged.tokens) for tagged in answers] == [0, 2, 0, 7, 0]
    assert answers[3].sentences == [(0, 2), (2, 7)]
    assert entities(answers[3]) == [("LOC", "Kiel"), ("PER", "Angela Merkel"), ("LOC", "Bonn")]
    assert answers[0].entities == [] and answers[0].n_windows == 0
    assert tagger.tag_text("").tokens == []
    assert tagger.tag_text([]) == []
    assert [len(tagged.tokens) for tagged in tagger.tag_words([[], ["Kiel"], []])] == [0, 1, 0]
    assert tagger.tag_words([]) == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentences=st.lists(st.lists(MIXED, max_size=70), max_size=6))
def test_any_words_keep_their_place(tagger, sentences):
    """3, 9"""
    answers = tagger.tag_words(sentences)
    assert [[token.text for token in tagged.tokens] for tagged in answers] == sentences
    for tagged in answers:
        for entity in tagged.entities:
            assert tagged.text[entity.start : entity.end] == entity.text
            assert entity.text == " ".join(token.text for token in tagged.tokens[entity.first_word : entity.end_word])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.lists(MIXED, max_size=40).map("".join))
def test_any_text_is_tagged_with_right_offsets(tagger, text):
    tagged = tagger.tag_text(text)
    for piece in (*tagged.tokens, *tagged.entities):
        assert text[piece.start : piece.end] == piece.text


def test_vanishing_words_keep_their_place(tagger):
    """9: words without a sub-word are tagged O and shift nothing."""
    words = ["", "Angela", "\u200b", "Merkel", "\n", "", "Kiel", "\x00"]
    [tagged] = tagger.tag_words([words])
    assert tagged.tags == ["O", "B-PER", "O", "I-PER", "O", "O", "B-LOC", "O"]
    assert tagger.tag_words([["", ""]])[0].tags == ["O", "O"]


def test_no_silent_truncation(tiny_tokenizer, lexicon_model):
    """4: by default nothing is lost; cutting must be asked for and is reported; or it is an error."""
    words = ["the"] * 200 + ["Kiel"]
    [tagged] = Tagger(lexicon_model, tiny_tokenizer).tag_words([words])
    assert tagged.tags[-1] == "B-LOC"
    assert (tagged.truncated, tagged.n_subwords) == (False, 201) and tagged.n_windows > 3

    cut, short = Tagger(lexicon_model, tiny_tokenizer, on_long_input="truncate").tag_words([words, ["Kiel"]])
    assert cut.tags == ["O"] * 201
    assert (cut.truncated, cut.n_subwords, cut.n_windows) == (True, 201, 1)
    assert (short.truncated, short.n_subwords, short.tags) == (False, 1, ["B-LOC"])

    strict = Tagger(lexicon_model, tiny_tokenizer, on_long_input="error")
    with pytest.raises(
        InputError, match=r"'the the the the the …': a sentence of 201 sub-words, .* takes 62 at once; spl"
    ):
        strict.tag_words([["Kiel"], words])
    assert strict.tag_words([words[:62]])[0].n_windows == 1

    with pytest.raises(InputError, match="unknown on_long_input 'cut'; use one of stride, error, truncate"):
        Tagger(lexicon_model, tiny_tokenizer, on_long_input="cut")
    assert Tagger(lexicon_model, tiny_tokenizer).on_long_input == "stride"
    assert Tagger(lexicon_model, tiny_tokenizer, on_long_input="windows").on_long_input == "stride"


def test_results_say_how_long_the_input_was(tiny_tokenizer, lexicon_model):
    """4: in words, in the sub-words that the model's limit counts, and in windows."""
    words = ["Kiel", "abc", *["the"] * 80]
    [tagged] = Tagger(lexicon_model, tiny_tokenizer).tag_words([words])
    assert (tagged.n_tokens, tagged.n_subwords, tagged.truncated) == (
        82,
        len(tiny_tokenizer.tokenize(" ".join(words))),
        False,
    )
    record = tagged.to_dict()
    assert {name: record[name] for name in ("n_tokens", "n_windows", "truncated")} == {
        "n_tokens": 82,
        "n_windows": 2,
        "truncated": False,
    }
    [cut] = Tagger(lexicon_model, tiny_tokenizer, on_long_input="truncate").tag_words([words])
    assert (cut.n_tokens, cut.n_subwords, cut.truncated) == (82, tagged.n_subwords, True)


@pytest.mark.parametrize("position", range(30, 130, 7))
@pytest.mark.parametrize("overlap", [None, 16, 31])
def test_entity_on_a_window_seam(tiny_tokenizer, position, overlap):
    """5: whole wherever it lies, each word read where it has context, although the model fails near borders."""
    # The first and the last words of the sentence lie at a border of the text itself; the entity keeps clear of them.
    tagger = Tagger(LexiconModel(tiny_tokenizer, context=7), tiny_tokenizer, overlap=overlap)
    words = ["the"] * 160
    words[position : position + 2] = ["Angela", "Merkel"]
    [tagged] = tagger.tag_words([words])
    assert [(entity.first_word, entity.end_word) for entity in tagged.entities] == [(position, position + 2)]


def test_overlap_is_checked_against_the_real_window(tiny_tokenizer, lexicon_model):
    """5: special tokens take part of a window, and more than half of it cannot be shared; nothing is adjusted."""
    with pytest.raises(InputError, match="windows of 10 sub-words with an overlap of 8 leave no room"):
        Tagger(lexicon_model, tiny_tokenizer, max_length=10, overlap=8)
    with pytest.raises(
        InputError, match=r"an overlap of 5 .* windows hold 8 beside .*; give 0 to 4 \(half a window\)"
    ):
        Tagger(lexicon_model, tiny_tokenizer, max_length=10, overlap=5)
    with pytest.raises(InputError, match="an overlap of -1 sub-words"):
        Tagger(lexicon_model, tiny_tokenizer, overlap=-1)
    assert Tagger(lexicon_model, tiny_tokenizer, max_length=10, overlap=4).overlap == 4
    assert Tagger(lexicon_model, tiny_tokenizer, overlap=0).overlap == 0


def test_scores_can_be_thresholded(tiny_tokenizer):
    """25: the score is the geometric mean of the tags' probabilities; the threshold holds in tags and entities."""
    model = LexiconModel(tiny_tokenizer, sureness=0.8)
    with torch.no_grad():
        model.table[tiny_tokenizer.convert_tokens_to_ids("Merkel")] = torch.tensor([0.3, 0.1, 0.1, 0.1, 0.4]).log()
    tagger = Tagger(model, tiny_tokenizer)
    [tagged] = tagger.tag_words([SENTENCE])
    assert tagged.entities[0].score == pytest.approx(math.sqrt(0.8 * 0.4), rel=1e-5)
    assert tagged.entities[1].score == pytest.approx(0.8, rel=1e-5)
    assert [token.score for token in tagged.tokens] == pytest.approx([0.8, 0.4, 0.8, 0.8, 0.8], rel=1e-5)

    [kept] = tagger.tag_words([SENTENCE], threshold=0.6)
    assert entities(kept) == [("LOC", "Kiel")]
    assert kept.tags == ["O", "O", "O", "B-LOC", "O"]
    assert kept.tokens[1].score == pytest.approx(0.3, rel=1e-5)
    assert [span.type for span in spans_from_tags(kept.tags)] == ["LOC"]
    assert tagger.tag_text("Angela Merkel visited Kiel.", threshold=0.9).entities == []
    thresholds = np.linspace(0, 1, 11)
    counts = [len(tagger.tag_words([SENTENCE], threshold=threshold)[0].entities) for threshold in thresholds]
    assert counts == sorted(counts, reverse=True) and (counts[0], counts[-1]) == (2, 0)
    for threshold in (-0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match="a threshold of .*; give a number between 0 and 1"):
            tagger.tag_words([SENTENCE], threshold=threshold)


def test_temperature_calibrates_scores_and_changes_no_tag(tiny_tokenizer):
    """25"""
    plain = Tagger(LexiconModel(tiny_tokenizer), tiny_tokenizer).tag_words([SENTENCE])[0]
    model = LexiconModel(tiny_tokenizer, xner={"temperature": 2.0})
    softer = Tagger(model, tiny_tokenizer).tag_words([SENTENCE])[0]
    expected = 0.9**0.5 / (0.9**0.5 + 4 * 0.025**0.5)
    assert [token.score for token in softer.tokens] == pytest.approx([expected] * 5, rel=1e-4)
    assert softer.tags == plain.tags
    assert Tagger(model, tiny_tokenizer, temperature=1.0).tag_words([SENTENCE])[0] == plain
    with pytest.raises(InputError, match="temperature 0.0; give a number above 0"):
        Tagger(model, tiny_tokenizer, temperature=0.0)


def test_answers_are_plain_values(tagger):
    """T7: no numpy scalars, so that json.dumps works."""
    answer = json.loads(json.dumps(tagger.tag_text("Angela Merkel visited Kiel.").to_dict()))
    assert answer["entities"][0]["text"] == "Angela Merkel"
    assert isinstance(answer["entities"][0]["score"], float)
    assert answer["tokens"][3] == {"text": "Kiel", "start": 22, "end": 26, "tag": "B-LOC", "score": pytest.approx(0.9)}


def test_decoding_is_what_the_model_was_evaluated_with(tiny_tokenizer):
    words = ["Angela", "bank"]
    lexicon = {"Angela": "B-PER", "bank": "I-LOC"}
    says_nothing = LexiconModel(tiny_tokenizer, lexicon)
    says_viterbi = LexiconModel(tiny_tokenizer, lexicon, xner={"scheme": "iob2", "decoding": "viterbi"})
    assert Tagger(says_nothing, tiny_tokenizer).tag_words([words])[0].tags == ["B-PER", "I-LOC"]
    assert Tagger(says_viterbi, tiny_tokenizer).tag_words([words])[0].tags != ["B-PER", "I-LOC"]
    assert Tagger(says_viterbi, tiny_tokenizer, decoding="argmax").tag_words([words])[0].tags == ["B-PER", "I-LOC"]
    with pytest.raises(InputError, match="unknown decoding 'beam'; use one of model, argmax, viterbi"):
        Tagger(says_nothing, tiny_tokenizer, decoding="beam")
    with pytest.raises(InputError, match="a CRF that the model has not; use one of model, argmax, viterbi"):
        Tagger(says_nothing, tiny_tokenizer, decoding="crf")


@pytest.mark.parametrize("batch_subwords", [1, 100, 4096])
def test_order_is_kept_whatever_the_lengths_and_batches(tiny_tokenizer, lexicon_model, batch_subwords):
    tagger = Tagger(lexicon_model, tiny_tokenizer, batch_subwords=batch_subwords, decoding="viterbi")
    sentences = [["the"] * (index * 37 % 90) + ["Kiel"] * (index % 3) for index in range(60)]
    answers = tagger.tag_words(sentences)
    assert [tagged.tags.count("B-LOC") for tagged in answers] == [index % 3 for index in range(60)]


def test_sentences_of_like_length_share_a_batch(tiny_tokenizer, lexicon_model):
    sentences = [["the"] * (1 + index % 40) for index in range(400)]
    Tagger(lexicon_model, tiny_tokenizer).tag_words(sentences)
    assert lexicon_model.rows_seen == sorted(lexicon_model.rows_seen, reverse=True)


def test_equal_sentences_are_read_once(tiny_tokenizer, lexicon_model):
    tagger = Tagger(lexicon_model, tiny_tokenizer)
    sentences = [["Kiel", "."], ["the", "bank"], ["Kiel", "."]] * 5
    answers = tagger.tag_words(sentences)
    assert sorted(lexicon_model.rows_seen) == [4, 4]
    assert [tagged.text for tagged in answers] == [" ".join(words) for words in sentences]
    assert [tagged.tags for tagged in answers[:2]] == [["B-LOC", "O"], ["O", "O"]]
    # The same characters in other words are another sentence.
    assert [tagged.tags for tagged in tagger.tag_words([["Kiel ."], ["Kiel", "."]])] == [["B-LOC"], ["B-LOC", "O"]]


def test_streams_answer_an_endless_input(tagger):
    texts = (f"Kiel {index}." for index in itertools.count())
    answers = tagger.stream_text(texts, chunk=8)
    assert [next(answers).text for _ in range(20)] == [f"Kiel {index}." for index in range(20)]
    words = tagger.stream_words((["Kiel"] for _ in itertools.count()), chunk=8)
    assert [entities(next(words)) for _ in range(20)] == [[("LOC", "Kiel")]] * 20


def test_a_chunk_of_one_answers_before_the_next_is_read(tagger):
    read = []

    def texts():
        for text in ("Kiel.", "Bonn."):
            read.append(text)
            yield text

    answers = tagger.stream_text(texts(), chunk=1)
    next(answers)
    assert read == ["Kiel."]


def test_two_hundred_pages_in_one_call(tagger):
    page = "Angela Merkel visited Kiel. " * 60 + "\n"
    text = page * 200
    begin = time.perf_counter()
    tagged = tagger.tag_text(text)
    assert time.perf_counter() - begin < 30
    assert len(tagged.entities) == 2 * 60 * 200
    assert all(text[entity.start : entity.end] == entity.text for entity in tagged.entities)


def test_a_book_is_tagged_sentence_by_sentence_with_offsets_in_the_whole(tagger):
    text = "Angela Merkel visited Kiel. John in Bonn!\n\nThe bank. " * 50
    whole = tagger.tag_text(text)
    parts = list(tagger.stream_sentences(text, chunk=7))
    assert len(parts) == len(whole.sentences) == 150
    assert [token for part in parts for token in part.tokens] == whole.tokens
    places = [(entity.start, entity.end) for part in parts for entity in part.entities]
    assert places == [(entity.start, entity.end) for entity in whole.entities]
    assert all(part.text is text for part in parts)
    assert not any(part.entities for part in tagger.stream_sentences(text, threshold=0.95))
    assert list(tagger.stream_sentences(" \n")) == []
    with pytest.raises(InputError, match="expected a text"):
        next(tagger.stream_sentences([text]))


def test_memory_of_a_book_read_sentence_by_sentence_is_flat(tagger):
    def peak(pages: int) -> int:
        text = "Angela Merkel visited Kiel and the bank in Bonn.\n" * 40 * pages
        tracemalloc.start()
        for _ in tagger.stream_sentences(text, chunk=64):
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(2)
    assert peak(100) < 1.3 * peak(10)


def test_memory_of_a_stream_is_flat(tagger):
    def peak(n: int) -> int:
        tracemalloc.start()
        for _ in tagger.stream_text((f"Angela Merkel visited Kiel. {index}" for index in range(n)), chunk=64):
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(200)
    assert peak(3000) < 1.3 * peak(600)


def test_a_saved_model_is_loaded_with_its_tokenizer(tiny_model_dir):
    tagger = Tagger.from_pretrained(str(tiny_model_dir), decoding="viterbi", device="cpu")
    [tagged] = tagger.tag_words([SENTENCE])
    assert len(tagged.tags) == 5
    assert tagger("Kiel.").text == "Kiel."
    assert [answer.text for answer in tagger(["Kiel.", "Bonn"])] == ["Kiel.", "Bonn"]
    for name in (torch.bfloat16, "bf16", "bfloat16"):
        low = Tagger.from_pretrained(str(tiny_model_dir), dtype=name, device="cpu")
        scores = [[token.score for token in tagger.tag_words([SENTENCE])[0].tokens] for tagger in (tagger, low)]
        assert low.model.dtype == torch.bfloat16 and scores[0] == pytest.approx(scores[1], abs=0.05)
    with pytest.raises(InputError, match="unknown dtype 'int3'; use fp32, bf16 or int8"):
        Tagger.from_pretrained(str(tiny_model_dir), dtype="int3")


def test_a_folder_that_is_no_tagger_gives_one_clear_line(tiny_model_dir, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model_dir, bare, ignore=shutil.ignore_patterns("*tokenizer*", "vocab*"))
    with pytest.raises(InputError, match="bare: the folder has no tokenizer; save one into it"):
        Tagger.from_pretrained(str(bare))
    nameless = tmp_path / "nameless"
    shutil.copytree(tiny_model_dir, nameless)
    config = json.loads((nameless / "config.json").read_text())
    config["id2label"] = {str(index): f"LABEL_{index}" for index in range(9)}
    config["label2id"] = {f"LABEL_{index}": index for index in range(9)}
    (nameless / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="nameless: its tags are called LABEL_0, .* none is O; set id2label"):
        Tagger.from_pretrained(str(nameless))
    with pytest.raises(InputError, match="nowhere: no .* could be loaded"):
        Tagger.from_pretrained(str(tmp_path / "nowhere"))


def test_a_device_that_is_not_here_gives_one_clear_line(tiny_model_dir):
    for device in ("cuda:99", "abacus"):
        with pytest.raises(InputError, match=f"no device '{device}' here .*; use cpu, or leave the device out"):
            Tagger.from_pretrained(str(tiny_model_dir), device=device)


def test_loading_needs_no_network_and_no_patience(tiny_model_dir):
    """10: a local model loads though the Hub cannot be reached; an unknown name is refused at once, not retried."""
    begin = time.perf_counter()
    Tagger.from_pretrained(str(tiny_model_dir), device="cpu")
    with pytest.raises(InputError, match="nobody/nothing: no .* could be loaded"):
        Tagger.from_pretrained("nobody/nothing")
    assert time.perf_counter() - begin < 20


@pytest.mark.slow
def test_a_million_sentences_stream_in_flat_memory(tagger):
    """Resident memory after the first tenth is that at the end."""
    from pathlib import Path

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    sentences = (["Angela", "Merkel", "visited", "Kiel", str(number)] for number in range(1_000_000))
    early = entities_found = 0
    for number, tagged in enumerate(tagger.stream_words(sentences), start=1):
        entities_found += len(tagged.entities)
        if number == 100_000:
            early = resident()
    assert (number, entities_found) == (1_000_000, 2_000_000)
    assert resident() < early + 30e6


def test_batch_and_labels_are_checked(tiny_tokenizer, lexicon_model):
    with pytest.raises(InputError, match="a batch of 0 sub-words; give at least 1"):
        Tagger(lexicon_model, tiny_tokenizer, batch_subwords=0)
    lexicon_model.config.id2label = {0: "O", 1: "PER"}
    with pytest.raises(InputError, match="'PER' is not a tag"):
        Tagger(lexicon_model, tiny_tokenizer)
