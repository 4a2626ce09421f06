"""Tests for translators and their cache: dictionaries, a tiny Marian model, a local stand-in for Google."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from hf_xner.errors import InputError
from hf_xner.translation.dictionary import write_dictionary
from hf_xner.translation.google import KEY_VARIABLE, GoogleTranslator
from hf_xner.translation.hub import HubTranslator
from hf_xner.translation.mapping import Mapping, learn_from_pairs
from hf_xner.translation.refinement import Refinement
from hf_xner.translation.seeds import identical_pairs
from hf_xner.translation.setup import TranslationOptions, build_translator
from hf_xner.translation.translation_cache import CachedTranslator, TranslationCache
from hf_xner.translation.translators import (
    DICTIONARY_FILE,
    DictionaryTranslator,
    MuseTranslator,
    PhraseTranslator,
    TableTranslator,
    WordTranslator,
)
from hf_xner.translation.vector_cache import load_vectors
from hf_xner.translation.vectors import WordVectors, write_vectors


def test_tables_look_up_and_know_themselves() -> None:
    table = TableTranslator({"Haus": "House", "haus": "home"})
    assert table.translate_words(["HAUS", "Kiel"]) == ["house", None]
    cased = TableTranslator({"Haus": "House", "haus": "home"}, lowercase=False)
    assert cased.translate_words(["Haus", "HAUS", "Kiel"]) == ["House", "home", None]
    assert table.identity != cased.identity
    assert isinstance(table, WordTranslator) and not isinstance(table, PhraseTranslator)
    with pytest.raises(InputError, match="empty.txt: the dictionary is empty"):
        TableTranslator({}, name="empty.txt")


def test_dictionaries_rank_by_frequency(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_text("the el\nthe la\nhouse casa\nhouse domicilio\n", encoding="utf-8")
    assert DictionaryTranslator(path).translate_words(["The", "house"]) == ["el", "casa"]
    counted = DictionaryTranslator(path, frequencies={"La": 2, "la": 3, "el": 4, "x": 9})
    assert counted.translate_words(["the", "house"]) == ["la", "casa"]


def mapped_folder(tmp_path: Path, like_spaces: tuple[WordVectors, WordVectors]) -> tuple[Path, WordVectors]:
    pair = []
    for name, vectors in zip(("s.vec", "t.vec"), like_spaces, strict=True):
        write_vectors(vectors.head(300), tmp_path / name)
        pair.append(load_vectors(tmp_path / name, cache_dir=tmp_path / "cache"))
    mapping = learn_from_pairs(*pair, identical_pairs(*pair), settings=Refinement(rounds=1))
    mapping.save(tmp_path / "map")
    return tmp_path / "map", pair[0]


def test_muse_translates_from_a_folder(tmp_path: Path, like_spaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_XNER_CACHE", str(tmp_path / "cache"))
    folder, _ = mapped_folder(tmp_path, like_spaces)
    assert MuseTranslator.from_folder(folder).translate_words(["S17", "shared10", "none"]) == ["t17", "shared10", None]
    write_dictionary({"s17": "other"}, folder / DICTIONARY_FILE)
    assert MuseTranslator.from_folder(folder).translate_words(["s17"]) == ["other"]
    (folder / DICTIONARY_FILE).unlink()
    (tmp_path / "s.vec").write_text("a 1 2\n", encoding="utf-8")
    with pytest.raises(InputError, match="these are not the vectors that the mapping was learnt from"):
        MuseTranslator.from_folder(folder)
    (tmp_path / "s.vec").unlink()
    with pytest.raises(InputError, match="s.vec: no such file; train vectors"):
        MuseTranslator.from_folder(folder)


@pytest.mark.parametrize(
    ("method", "remedy"), [("adversarial", "try other seeds"), ("identical", "give a larger seed dictionary")]
)
def test_noise_is_not_translated_with(tmp_path: Path, method: str, remedy: str) -> None:
    facts = {"method": method, "verdict": {"reason": "criterion 0.100"}}
    Mapping(np.eye(2, dtype=np.float32), "source", 0.1, False, facts).save(tmp_path / "map")
    with pytest.raises(InputError, match=rf"map: the mapping has not converged \(criterion 0.100\); {remedy}"):
        MuseTranslator.from_folder(tmp_path / "map")
    Mapping(np.eye(2, dtype=np.float32), "source", 0.1, True).save(tmp_path / "map")
    with pytest.raises(InputError, match="the mapping does not say where its source vectors are"):
        MuseTranslator.from_folder(tmp_path / "map")


class Failing:
    """Translates into capitals; stops after some texts."""

    identity = "failing"

    def __init__(self, fails_after: int | None = None) -> None:
        self.fails_after = fails_after
        self.asked: list[str] = []

    def translate_words(self, words: Sequence[str]) -> list[str | None]:
        if self.fails_after is not None and len(self.asked) >= self.fails_after:
            raise InputError("no answer", remedy="run the same command again")
        self.asked += words
        return [None if word == "-" else word.upper() for word in words]

    translate_phrases = translate_words


def test_the_cache_resumes_after_a_failure(tmp_path: Path) -> None:
    words = ["a", "b", "a", "-", "c", "d"]
    cache = TranslationCache(tmp_path / "c.sqlite")
    with pytest.raises(InputError, match="no answer"):
        CachedTranslator(Failing(fails_after=4), cache, batch=2).translate_words(words)
    second, steps = Failing(), []
    translator = CachedTranslator(
        second, TranslationCache(tmp_path / "c.sqlite"), batch=2, on_progress=lambda *step: steps.append(step)
    )
    assert translator.translate_words(words) == ["A", "B", "A", None, "C", "D"]
    assert second.asked == ["d"] and steps == [(1, 1)]
    # Everything is known now, untranslatable words included.
    offline = CachedTranslator(Failing(fails_after=0), cache, offline=True)
    assert offline.translate_words(words) == ["A", "B", "A", None, "C", "D"]
    with pytest.raises(InputError, match="1 of 2 texts are not in the cache, 'new' among them"):
        offline.translate_words(["a", "new"])
    # Words and phrases, and other translators, are kept apart.
    with pytest.raises(InputError, match="are not in the cache"):
        offline.translate_phrases(["a"])
    other = Failing()
    other.identity = "other"
    assert CachedTranslator(other, cache).translate_words(["a"]) == ["A"] and other.asked == ["a"]


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_text("not a database " * 100)
    with pytest.raises(InputError, match=r"c.sqlite: is no cache of translations"):
        TranslationCache(path)
    assert sqlite3.sqlite_version


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised Marian model of a few words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    words = ["<pad>", "</s>", "<unk>", ">>es<<", *"abcdefghijklmnop"]
    core = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=32
    )
    config = MarianConfig(
        vocab_size=len(words),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=300,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        forced_eos_token_id=1,
        init_std=0.5,
    )
    folder = tmp_path_factory.mktemp("marian")
    MarianMTModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_hub_translations_do_not_depend_on_batches(marian: Path) -> None:
    texts = ["a b c d", "e", ".", "f g", "h i j k l m", "e"]
    one = HubTranslator(marian, target="es", batch=1, max_new_tokens=8, beams=2)
    all_ = HubTranslator(marian, target="es", batch=6, max_new_tokens=8, beams=2)
    first = one.translate_phrases(texts)
    assert first == all_.translate_phrases(texts) == all_.translate_words(texts)
    assert len(first) == 6 and first[1] == first[5] and first[2] is None
    assert any(first) and one.prefix == ">>es<< " and isinstance(one, PhraseTranslator)
    assert one.translate_words([]) == []
    assert one.identity != HubTranslator(marian, target="es").identity


def test_a_translation_without_its_end_is_told_of(marian: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is cut off is kept, and nobody would find it again in a corpus of thousands."""
    HubTranslator(marian, target="es", max_new_tokens=1, beams=1).translate_phrases(["a b c"])
    assert "the translation of 'a b c …' is cut off at its end" not in caplog.text, (
        "the last one is forced to be an end"
    )
    translator = HubTranslator(marian, target="es", max_new_tokens=2, beams=1)
    translator.load()
    translator.model.generation_config.forced_eos_token_id = None
    translator.translate_phrases(["a b c"])
    assert "the translation of 'a b c …' is cut off at its end" in caplog.text


def test_a_target_that_a_marian_model_lacks_is_refused(marian: Path) -> None:
    """Without its token the model would translate into any of its languages."""
    with pytest.raises(InputError, match=r"does not know the language 'fr'; name it as the model does: >>es<<"):
        HubTranslator(marian, target="fr").load()


def test_a_model_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing-here: there is no such folder, .*; name a Marian, NLLB or M2M100"):
        HubTranslator(tmp_path / "nothing-here")
    with pytest.raises(InputError, match=f"{tmp_path.name}: no translation model can be loaded"):
        HubTranslator(tmp_path, target="es").translate_words(["a"])


def test_packages_that_tokenizers_need_are_named(marian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoTokenizer

    def lacking(*_: object, **__: object) -> None:
        raise ImportError("\n\nMarianTokenizer requires the SentencePiece library\nbut it was not found")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lacking)
    expected = r"\(MarianTokenizer requires the SentencePiece library\); .*pip install \"hf_xner\[translation\]\""
    with pytest.raises(InputError, match=expected):
        HubTranslator(marian, target="es").load()


class M2M100:
    """What matters of M2M100's tokenizer: codes have tokens of their own, and are ordinary sub-words too."""

    src_lang = "en"
    lang_code_to_token = {"en": "__en__", "es": "__es__"}
    all_special_tokens: list[str] = ["</s>"]

    def get_vocab(self) -> dict[str, int]:
        return {"en": 3, "es": 4, "no": 5, "__en__": 10, "__es__": 11}

    def get_added_vocab(self) -> dict[str, int]:
        return {}

    def convert_tokens_to_ids(self, token: str) -> int:
        return self.get_vocab()[token]


class M2M100WithIds(M2M100):
    """The same as transformers has it now."""

    def get_lang_id(self, language: str) -> int:
        return {"__en__": 10, "__es__": 11}[self.lang_code_to_token[language]]


class Bare(M2M100):
    """One that says nothing of its codes."""

    lang_code_to_token: dict[str, str] = {}


class Nllb(Bare):
    all_special_tokens = ["</s>", "eng_Latn", "spa_Latn"]

    def get_vocab(self) -> dict[str, int]:
        return {"en": 3, "es": 4, "no": 5, "eng_Latn": 20, "spa_Latn": 21}


@pytest.mark.parametrize(
    ("tokenizer", "source", "target", "forced"),
    [
        (M2M100(), "en", "es", 11),
        (M2M100WithIds(), "en", "es", 11),
        (Bare(), "en", "es", 11),
        (Nllb(), "eng_Latn", "spa_Latn", 21),
    ],
)
def test_languages_are_forced_by_their_own_tokens(marian: Path, tokenizer, source, target, forced) -> None:
    translator = HubTranslator(marian, source=source, target=target)
    translator.tokenizer = tokenizer
    translator._set_languages()
    assert (translator.forced, tokenizer.src_lang, translator.prefix) == (forced, source, "")
    translator.target = "no"  # a word of the vocabulary, no language
    with pytest.raises(InputError, match="does not know the language 'no'"):
        translator._set_languages()
    translator.target = None
    with pytest.raises(InputError, match="needs both"):
        translator._set_languages()


def options(model: object, cache: Path, **more: object) -> TranslationOptions:
    return TranslationOptions(to="es", model=str(model), cache=cache, **more)  # type: ignore[arg-type]


def test_weights_are_loaded_at_the_first_text_that_the_cache_lacks(
    marian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForSeq2SeqLM

    cache = tmp_path / "c.sqlite"
    first = build_translator(options(marian, cache), ()).translate_words(["a", "b"])
    with monkeypatch.context() as patch:
        patch.setattr(AutoModelForSeq2SeqLM, "from_pretrained", lambda *_, **__: pytest.fail("weights were loaded"))
        for offline in (False, True):
            again = build_translator(options(marian, cache, offline=offline), ())
            assert again.translate_words(["b", "a"]) == first[::-1]
        with pytest.raises(InputError, match="1 of 1 texts are not in the cache"):
            again.translate_words(["c"])


def test_the_cache_answers_without_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hub id is known to the cache by the commit it had, though neither the Hub nor its cache is there."""
    asked: list[str] = []

    def commit(name: str, revision: str | None, *, remedy: str) -> str:
        asked.append(name)
        if len(asked) > 1:
            raise InputError("the Hub gave nothing", where=name)
        return "c" * 40

    monkeypatch.setattr("hf_xner.translation.hub.model_commit", commit)
    cache = tmp_path / "c.sqlite"
    online = build_translator(options("org/marian", cache), ())
    assert online.identity == f"hub:org/marian:{'c' * 40}:None:es:4:256"
    TranslationCache(cache).put(f"{online.identity}:word", {"a": "A"})
    assert build_translator(options("org/marian", cache, offline=True), ()).translate_words(["a"]) == ["A"]
    assert asked == ["org/marian"], "offline nobody is asked"
    assert build_translator(options("org/marian", cache), ()).translate_words(["a"]) == ["A"]
    for name, more in (("org/other", {}), ("org/marian", {"revision": "v2"})):
        with pytest.raises(InputError, match="the Hub gave nothing"):
            build_translator(options(name, cache, offline=True, **more), ())


def test_folders_are_known_by_what_they_hold(marian: Path, tmp_path: Path) -> None:
    """A model trained further in the same folder is another one; moved, it is the same."""
    first = HubTranslator(marian, target="es").identity
    shutil.copytree(marian, tmp_path / "copy")
    assert HubTranslator(tmp_path / "copy", target="es").identity == first
    for name in ("model.safetensors", "source.spm"):
        (tmp_path / "copy" / name).write_bytes(b"other")
        changed = HubTranslator(tmp_path / "copy", target="es").identity
        assert changed != first
        first = changed


class Service(BaseHTTPRequestHandler):
    """Answers as Google does; `plan` holds the status codes of the next answers."""

    plan: list[int] = []
    requests: list[dict] = []
    reason = "forbidden"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.plan.pop(0) if self.plan else 200
        type(self).requests.append({"key": self.headers["X-Goog-Api-Key"], "path": self.path, **body})
        answer: dict = {"error": {"message": "quota used up", "errors": [{"reason": self.reason}]}}
        if status == 200:
            answer = {"data": {"translations": [{"translatedText": f"&lt;{text}&gt;"} for text in body["q"]]}}
        elif status == 299:
            status, answer = 200, {"data": {"translations": []}}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    Service.plan, Service.requests = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v2"
    server.shutdown()
    server.server_close()
    thread.join()


def test_google_translates_and_retries(service: str) -> None:
    pauses: list[float] = []
    translator = GoogleTranslator("en", "es", endpoint=service, sleep=pauses.append)
    Service.plan[:] = [503, 429, 200]
    assert translator.translate_words(["house", "dog"]) == ["<house>", "<dog>"]
    assert pauses == [1.0, 2.0]
    last = Service.requests[-1]
    assert (last["q"], last["source"], last["target"], last["key"]) == (["house", "dog"], "en", "es", "secret")
    assert "secret" not in last["path"] and isinstance(translator, PhraseTranslator)
    assert len(translator.translate_words([str(n) for n in range(200)])) == 200
    assert [len(request["q"]) for request in Service.requests[-2:]] == [128, 72]


def test_google_gives_up_and_goes_on(service: str, tmp_path: Path) -> None:
    translator = GoogleTranslator("en", "es", endpoint=service, attempts=2, sleep=lambda _: None)
    cached = CachedTranslator(translator, TranslationCache(tmp_path / "c.sqlite"), batch=1)
    Service.plan[:] = [200, 500, 500]
    with pytest.raises(InputError) as error:
        cached.translate_words(["a", "b", "c"])
    assert "no answer in 2 attempts (HTTP 500 quota used up); run the same command again" in str(error.value)
    Service.requests.clear()
    assert cached.translate_words(["a", "b", "c"]) == ["<a>", "<b>", "<c>"]
    assert [request["q"] for request in Service.requests] == [["b"], ["c"]]


@pytest.mark.parametrize("reason", ["userRateLimitExceeded", "dailyLimitExceeded"])
def test_google_says_403_to_who_asks_too_much(
    service: str, tmp_path: Path, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "reason", reason)
    translator = GoogleTranslator("en", "es", endpoint=service, attempts=2, sleep=lambda _: None)
    cached = CachedTranslator(translator, TranslationCache(tmp_path / "c.sqlite"), batch=1)
    Service.plan[:] = [403, 200, 403, 403]
    with pytest.raises(InputError, match=r"no answer in 2 attempts \(HTTP 403 quota used up\); run the same command"):
        cached.translate_words(["a", "b"])
    assert cached.translate_words(["a", "b"]) == ["<a>", "<b>"]


def test_google_refusals_are_told(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = GoogleTranslator("en", "es", endpoint=service, attempts=2, sleep=lambda _: None)
    Service.plan[:] = [403]
    with pytest.raises(InputError, match=r"refused the request \(HTTP 403 quota used up\); check key") as error:
        translator.translate_words(["a"])
    assert "secret" not in str(error.value) and len(Service.requests) == 1
    Service.plan[:] = [299]
    with pytest.raises(InputError, match="answered 1 texts with 0 translations"):
        translator.translate_words(["a"])
    gone = GoogleTranslator("en", "es", endpoint="http://127.0.0.1:9/", attempts=1)
    with pytest.raises(InputError, match="no answer in 1 attempts"):
        gone.translate_words(["a"])
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(InputError, match=f"{KEY_VARIABLE}: no key for Google's translation service; set it"):
        translator.translate_words(["a"])
