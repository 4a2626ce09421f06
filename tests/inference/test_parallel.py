"""Several processes: the same answers in the same order, clear errors, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from hf_xner.errors import InputError
from hf_xner.inference import parallel
from hf_xner.inference.parallel import TaggingProcesses
from hf_xner.inference.results import TaggedSentence
from hf_xner.inference.tagger import Tagger

WORDS = [["Angela", "Merkel", "visited", *["the"] * (number % 50), "Kiel", str(number)] for number in range(300)]


@pytest.fixture(scope="module")
def two(taught_model_dir):
    with Tagger.from_pretrained(str(taught_model_dir), device="cpu", processes=2) as tagger:
        yield tagger


@pytest.fixture(scope="module")
def one(taught_model_dir) -> Tagger:
    return Tagger.from_pretrained(str(taught_model_dir), device="cpu")


def assert_same(found: Iterable[TaggedSentence], expected: Iterable[TaggedSentence]) -> None:
    """The same but for the last digits of scores: other sentences share the batches."""
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.tags, one.sentences) == (other.text, other.tags, other.sentences)
        assert [(entity.start, entity.end) for entity in one.entities] == [(e.start, e.end) for e in other.entities]
        scores = [token.score for token in one.tokens]
        assert scores == pytest.approx([token.score for token in other.tokens], abs=1e-4)


def test_two_processes_answer_as_one_and_in_order(two, one):
    assert_same(two.tag_words(WORDS), one.tag_words(WORDS))
    texts = [" ".join(words) for words in WORDS]
    assert_same(two.tag_text(texts, threshold=0.5), one.tag_text(texts, threshold=0.5))
    streamed = two.stream_words(iter(WORDS), chunk=50)
    assert [tagged.text for tagged in streamed] == texts
    assert len(two._processes._executor._processes) == 2


def test_one_long_text_is_shared_too(two, one):
    text = "Angela Merkel visited Kiel. " * 200
    assert_same([two.tag_text(text)], [one.tag_text(text)])
    assert_same(two.stream_sentences(text, chunk=64), one.stream_sentences(text))


def test_an_error_in_a_worker_is_the_same_one_line(two, taught_model_dir):
    with Tagger.from_pretrained(str(taught_model_dir), device="cpu", processes=2, on_long_input="error") as strict:
        # The workers of `two` serve here: starting others would only cost time.
        strict._processes._executor = two._processes._executor
        strict._processes._submit = lambda words, threshold: two._processes._executor.submit(_too_long)
        with pytest.raises(InputError, match="a sentence of 99 sub-words; split it"):
            strict.tag_words(WORDS)
        strict._processes._executor = None


def _too_long() -> None:
    raise InputError("a sentence of 99 sub-words", remedy="split it")


def test_a_worker_that_dies_gives_one_clear_line(two):
    assert len(two.tag_words(WORDS)) == len(WORDS)
    for pid in list(two._processes._executor._processes):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(InputError, match="one of 2 tagging processes ended before its work was done; use fewer"):
        two.tag_words(WORDS)
    assert two._processes._executor is None  # the next call starts others


def test_short_inputs_start_no_process(taught_model_dir):
    tagger = Tagger.from_pretrained(str(taught_model_dir), device="cpu", processes=2)
    assert len(tagger.tag_words(WORDS[:50])) == 50
    assert tagger.tag_text("Kiel.").tokens[0].tag == "B-LOC"
    answers = tagger.stream_words(iter(WORDS), chunk=1)  # a chunk of one is answered before the next is read
    next(answers)
    assert tagger._processes._executor is None


def test_memory_is_bounded_by_a_few_chunks_a_process(monkeypatch):
    """Nothing is read further ahead than the workers need."""
    from concurrent.futures import Future

    def done(sentences, threshold):
        future: Future = Future()
        future.set_result([])
        return future

    processes = TaggingProcesses("model", {}, 3)
    monkeypatch.setattr(processes, "_submit", done)
    read = []

    def jobs():
        for number in range(100):
            read.append(number)
            yield number, [["Kiel"]]

    answers = processes.tag(jobs(), 0.0)
    ahead = [len(read) - number for number, _ in answers]
    assert len(ahead) == 100 and max(ahead) <= parallel._CHUNKS_AHEAD * 3 + 1


@pytest.mark.parametrize(
    ("sentences", "processes", "size"), [(10, 4, 64), (1000, 2, 250), (100_000, 4, parallel.CHUNK), (300, 2, 75)]
)
def test_an_input_of_known_length_has_work_for_all(sentences, processes, size):
    assert TaggingProcesses("model", {}, processes).chunk_size(sentences) == size


@pytest.mark.parametrize(("threads", "processes", "share"), [(8, 4, 2), (7, 2, 3), (1, 4, 1)])
def test_threads_are_shared(threads, processes, share):
    _, options = TaggingProcesses("model", {}, processes, threads)._arguments
    assert options == {"threads": share, "processes": 1}


def test_options_are_checked(taught_model_dir):
    with pytest.raises(InputError, match="0 processes; give at least 1"):
        Tagger.from_pretrained(str(taught_model_dir), processes=0)
    with pytest.raises(InputError, match="-1 threads; give at least 1"):
        Tagger.from_pretrained(str(taught_model_dir), threads=-1)


SCRIPT = """
import sys
from hf_xner import Tagger

if __name__ == "__main__":
    tagger = Tagger.from_pretrained(sys.argv[1], device="cpu", processes=2)
    answers = tagger.stream_words([["Kiel", str(number)] for number in range(100_000)], chunk=100)
    next(answers)
    print(*tagger._processes._executor._processes, flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_workers_end_with_a_parent_that_was_killed(taught_model_dir, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(parallel.__file__).parents[2])}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(script), str(taught_model_dir)], stdin=pipe, stdout=pipe, env=environment
    ) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2 and all(map(alive, workers))
        parent.kill()
    end = time.monotonic() + 60
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.2)
    assert not any(map(alive, workers))


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
