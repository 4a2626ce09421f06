"""Pushing a run, from the first request to a stranger who loads the model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.errors import RepositoryNotFoundError

from hf_xner.errors import InputError
from hf_xner.hub import card as card_module
from hf_xner.hub.files import Upload
from hf_xner.hub.plan import PushPlan, make_plan
from hf_xner.hub.push import Pushed, Target, check_repo, push

from .fixtures import READER, TOKEN, change_results
from .loopback_hub import LoopbackHub
from .made_run import make_run

REPO = "org/unitrans-de"
TRAIN = {"source": ["sample:en"], "target": "sample:de", "system": "unitrans", "dictionary": "en-de.txt"}

LOADING = """
import json
from transformers import AutoModelForTokenClassification, pipeline

model, report = AutoModelForTokenClassification.from_pretrained("org/unitrans-de", output_loading_info=True)
tagger = pipeline("token-classification", model="org/unitrans-de", ignore_labels=[])
words = [[word["word"], word["entity"], float(word["score"])] for word in tagger("Angela Merkel visited Kiel .")]
keys = sorted(report["missing_keys"]) + sorted(report["unexpected_keys"])
print(json.dumps({"kind": type(model).__name__, "keys": keys, "words": words, "labels": model.config.id2label}))
"""


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token=TOKEN)


@pytest.fixture
def plan(made_run: Path) -> PushPlan:
    return make_plan(made_run, REPO)


@pytest.fixture(scope="session")
def unitrans_run(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Path:
    shares = {"unitrans": 0.9, "mt": 0.7}
    return make_run(tmp_path_factory.mktemp("unitrans") / "run", tiny_model_dir, shares=shares, **TRAIN)


def send(plan: PushPlan, api: HfApi, *, waits: list[float] | None = None, **target) -> Pushed:
    """Push without waiting."""
    seconds = [] if waits is None else waits
    return push(plan, Target(**{"repo": plan.repo, **target}), api=api, sleep=seconds.append)


def refusal(plan: PushPlan, api: HfApi, **target) -> str:
    """The one line that a push ends with."""
    with pytest.raises(InputError) as error:
        send(plan, api, **target)
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(plan: PushPlan, path: str, content: bytes) -> PushPlan:
    """The same plan with another content of one file."""
    files = [Upload(path, content) if file.path == path else file for file in plan.files]
    return PushPlan(plan.repo, plan.title, plan.results, files, plan.notes)


def programs_of(card: str) -> list[str]:
    """The Python programs on a card."""
    return re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)


def test_a_stranger_loads_the_model_and_runs_its_card_where_hf_xner_is_not_installed(
    unitrans_run: Path, hub: LoopbackHub, api: HfApi, stranger: Callable[..., str], tiny_model_dir: Path
):
    from transformers import pipeline

    done = send(make_plan(unitrans_run, REPO), api)
    assert done.url == f"{hub.url}/{REPO}" and "model.safetensors" in done.sent
    plain = [program for program in programs_of(hub.files(REPO)["README.md"].decode()) if "hf_xner" not in program]
    assert len(plain) >= 1 and all(REPO in program for program in plain)
    found = json.loads(stranger("\n".join([*plain, LOADING])).splitlines()[-1])
    assert found["kind"] == "BertForTokenClassification" and found["keys"] == []
    assert found["labels"]["0"] == "O" and len(found["words"]) == 5
    here = pipeline("token-classification", model=str(tiny_model_dir), ignore_labels=[])
    expected = here("Angela Merkel visited Kiel .")
    assert [(word, tag) for word, tag, _ in found["words"]] == [(word["word"], word["entity"]) for word in expected]
    assert [score for *_, score in found["words"]] == pytest.approx([float(word["score"]) for word in expected])
    weights = hub.repositories[REPO].history()[0].files["model.safetensors"]
    assert f"GET /cdn/{weights.sha256}" in hub.requests, "the weights came over the wire"


def test_the_cards_program_for_hf_xner_runs_too(
    unitrans_run: Path, hub: LoopbackHub, api: HfApi, stranger: Callable[..., str]
):
    send(make_plan(unitrans_run, REPO), api)
    (ours,) = [program for program in programs_of(hub.files(REPO)["README.md"].decode()) if "hf_xner" in program]
    for line in stranger(ours, with_hf_xner=True).splitlines():
        kind, *_, score = line.split()
        assert kind in {"LOC", "MISC", "ORG", "PER"} and 0 <= float(score) <= 1


def test_one_commit_holds_everything_on_top_of_the_hubs_own(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    done = send(plan, api)
    (commit,) = hub.repositories[REPO].history()
    assert commit.message.startswith("tsl by tsl, sample:en to sample:es (hf_xner ")
    assert done.commit == commit.oid and sorted(done.sent) == sorted(commit.files.keys() - {".gitattributes"})
    assert hub.files(REPO) == {file.path: file.read() for file in plan.files}
    assert commit.files["model.safetensors"].large and not commit.files["README.md"].large
    assert hub.count("POST /api/repos/create") == hub.count("POST */commit/main") == 1


def test_a_second_push_with_nothing_new_sends_nothing_and_makes_no_commit(
    plan: PushPlan, hub: LoopbackHub, api: HfApi
):
    first = send(plan, api)
    before = len(hub.requests)
    second = send(plan, api)
    assert second.sent == [] and second.unchanged == len(plan.files) and second.commit == first.commit
    assert len(hub.repositories[REPO].history()) == 1
    assert {line.split()[0] for line in hub.requests[before:]} <= {"GET", "HEAD"}


def test_only_what_is_new_is_sent(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    send(plan, api)
    done = send(changed(plan, "README.md", b"---\nlicense: mit\n---\n# Better\n"), api)
    assert done.sent == ["README.md"] and done.unchanged == len(plan.files) - 1
    assert hub.count("PUT /lfs/*") == 1 and len(hub.repositories[REPO].history()) == 2
    last = [body for line, body in zip(hub.requests, hub.bodies, strict=True) if "/commit/" in line][-1]
    assert [json.loads(line)["key"] for line in last.splitlines()] == ["header", "file"]


def test_a_private_repository_is_made_and_nobody_else_sees_it(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    send(plan, api, private=True)
    assert hub.repositories[REPO].private
    with pytest.raises(RepositoryNotFoundError):
        HfApi(endpoint=hub.url, token=READER).model_info(REPO)
    assert send(plan, api, private=True).sent == []  # it is private already


def test_a_public_repository_is_not_taken_for_a_private_one(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    api.create_repo(REPO)
    assert "is there and public, though --private was given" in refusal(plan, api, private=True)
    assert "public" in refusal(plan, api, private=True, revision="new")
    assert hub.files(REPO) == {} and set(hub.repositories[REPO].branches) == {"main"}


def test_a_branch_is_made_and_main_stays_as_it_is(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    send(plan, api)
    main = hub.files(REPO)
    other = changed(plan, "README.md", b"---\nlicense: mit\n---\n# Other\n")
    send(other, api, revision="v2")
    assert hub.files(REPO) == main and hub.files(REPO, "v2")["README.md"].endswith(b"# Other\n")
    assert len(hub.repositories[REPO].history("v2")) == 2
    assert send(other, api, revision="v2").sent == []


def test_another_runs_model_is_not_overwritten(run_folder: Path, plan: PushPlan, hub: LoopbackHub, api: HfApi):
    send(plan, api)
    results = json.loads((run_folder / "results.json").read_text())
    change_results(run_folder, arguments=results["arguments"] | {"teacher_epochs": 9.0})
    other = make_plan(run_folder, REPO)
    before = hub.files(REPO)
    message = refusal(other, api)
    assert "holds another model (main), and nothing was overwritten" in message and "--replace" in message
    assert hub.files(REPO) == before
    # On a branch of its own nobody's model is in the way.
    send(other, api, revision="longer")
    assert hub.files(REPO) == before and hub.files(REPO, "longer")["results.json"] != before["results.json"]
    assert "holds another model (longer)" in refusal(plan, api, revision="longer")
    # And if it is meant, it goes, with what the old model leaves behind.
    done = send(other, api, replace=True)
    assert hub.files(REPO) == {file.path: file.read() for file in other.files} and done.removed == []


def test_what_an_old_model_leaves_behind_goes_when_it_is_replaced(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    api.create_repo(REPO)
    old = ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "LICENSE", "onnx/model.onnx")
    operations = [CommitOperationAdd(path, b"{}") for path in old]
    api.create_commit(REPO, operations, commit_message="somebody's")
    assert "holds another model" in refusal(plan, api)
    done = send(plan, api, replace=True)
    assert done.removed == ["model-00001-of-00002.safetensors", "model.safetensors.index.json", "onnx/model.onnx"]
    assert set(hub.files(REPO)) == {file.path for file in plan.files} | {"LICENSE"}
    assert len(hub.repositories[REPO].history()) == 2


def edited_there(api: HfApi, text: bytes = b"---\nlicense: mit\n---\n# Edited\n") -> bytes:
    """Edit the card as somebody does on the Hub's website."""
    api.create_commit(REPO, [CommitOperationAdd("README.md", text)], commit_message="Update README.md")
    return text


def test_a_card_that_was_edited_on_the_website_is_not_overwritten_unasked(
    run_folder: Path, plan: PushPlan, hub: LoopbackHub, api: HfApi
):
    send(plan, api)
    text = edited_there(api)
    message = refusal(plan, api)
    assert "README.md was edited there ('Update README.md', main)" in message and "--replace" in message
    assert hub.files(REPO)["README.md"] == text
    # In the run folder it is the card of the run, and other files may follow.
    (run_folder / "README.md").write_bytes(text)
    more = make_plan(run_folder, REPO)
    more.files.append(Upload("model-00001-of-00001.safetensors", b"x"))
    assert send(more, api).sent == ["model-00001-of-00001.safetensors"]
    assert hub.files(REPO)["README.md"] == text
    # --replace is for the card then: what else there is of this run stays.
    api.create_commit(REPO, [CommitOperationAdd("figure.png", b"x")], commit_message="a figure")
    done = send(plan, api, replace=True)
    assert "README.md" in done.sent and done.removed == [] and "figure.png" in hub.files(REPO)
    # And our own card is ours to renew.
    assert send(changed(plan, "README.md", b"---\nlicense: mit\n---\n# New\n"), api).sent == ["README.md"]


def test_a_card_that_waits_for_its_model_is_not_overwritten_unasked(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    api.create_repo(REPO)
    text = edited_there(api)
    assert "README.md was edited there" in refusal(plan, api) and hub.files(REPO)["README.md"] == text
    assert "README.md" in send(plan, api, replace=True).sent


def test_a_card_that_is_no_utf8_is_refused_by_name(run_folder: Path):
    (run_folder / "README.md").write_bytes("# Größe".encode("latin-1"))
    with pytest.raises(InputError, match="README.md: cannot be read as UTF-8 .*; save it as UTF-8"):
        make_plan(run_folder, REPO)


def test_a_bare_card_does_not_replace_a_good_one_of_the_same_run(
    run_folder: Path, plan: PushPlan, hub: LoopbackHub, api: HfApi, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as broken:
        broken.setattr(card_module, "render", lambda *_, **__: 1 / 0)
        bare = make_plan(run_folder, REPO)
    assert bare.bare and not plan.bare
    assert send(bare, api).kept == "" and b"Its figures are in" in hub.files(REPO)["README.md"]
    assert "README.md" in send(plan, api).sent
    good = hub.files(REPO)["README.md"]
    for replace in (False, True):
        done = send(bare, api, replace=replace)
        assert done.sent == [] and "the README.md that is there stays" in done.kept
        assert hub.files(REPO)["README.md"] == good
    text = edited_there(api)
    assert send(bare, api).sent == [] and hub.files(REPO)["README.md"] == text


def test_an_owner_whose_repositories_are_private_by_default_gets_a_private_one(
    plan: PushPlan, hub: LoopbackHub, api: HfApi
):
    hub.private_by_default.add("org")
    send(plan, api)
    assert hub.repositories[REPO].private


def test_a_repository_made_on_the_website_is_filled(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    api.create_repo(REPO)
    api.create_commit(REPO, [CommitOperationAdd("README.md", b"---\nlicense: mit\n---\n")], commit_message="hello")
    assert set(send(plan, api).sent) == {file.path for file in plan.files}


def test_somebody_who_pushes_at_the_same_time_is_not_overwritten(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    send(plan, api)
    real = api.create_commit

    def late(*args, **kwargs):
        api.create_commit = real
        real(REPO, [CommitOperationAdd("README.md", b"---\nlicense: mit\n---\n# Theirs\n")], commit_message="theirs")
        return real(*args, **kwargs)

    api.create_commit = late
    ours = changed(plan, "README.md", b"---\nlicense: mit\n---\n# Ours\n")
    assert "somebody else has pushed meanwhile (412), and nothing was overwritten" in refusal(ours, api)
    assert hub.files(REPO)["README.md"].endswith(b"# Theirs\n")


def test_a_lost_connection_is_tried_again(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    hub.fail("GET /api/models/*", times=1)
    hub.fail("POST /api/repos/create", times=1, status=503)
    hub.fail("PUT /lfs/*", times=2)
    hub.fail("POST */commit/main", times=1)
    waits: list[float] = []
    done = send(plan, api, waits=waits)
    assert len(done.sent) == len(plan.files) and waits == [2.0, 4.0, 8.0]
    assert len(hub.repositories[REPO].history()) == 1 and hub.files(REPO)


def test_a_commit_whose_answer_was_lost_is_not_made_twice(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    hub.fail("POST */commit/main", after=True)
    done = send(plan, api)
    assert len(hub.repositories[REPO].history()) == 1
    assert len(done.sent) == len(plan.files) and done.commit == hub.repositories[REPO].branches["main"]


@pytest.mark.parametrize(
    "lost", ["GET /api/models/*", "POST /api/repos/create", "*/preupload/*", "PUT /lfs/*", "*/commit/*"]
)
def test_a_push_that_was_cut_off_goes_on_where_it_stopped(
    lost: str, run_folder: Path, plan: PushPlan, hub: LoopbackHub, api: HfApi
):
    before = {path: path.read_bytes() for path in sorted(run_folder.rglob("*")) if path.is_file()}
    hub.fail(lost, times=1000)
    message = refusal(make_plan(run_folder, REPO), api)
    assert (
        message.startswith(f"{REPO}: the connection to the Hub was lost (")
        and "give the same command again" in message
    )
    assert REPO not in hub.repositories or hub.files(REPO) == {}, "half a model is no model"
    hub.faults.clear()
    uploads = hub.count("PUT /lfs/*")
    done = send(make_plan(run_folder, REPO), api)
    assert len(done.sent) == len(plan.files) and len(hub.repositories[REPO].history()) == 1
    assert hub.count("PUT /lfs/*") - uploads == (0 if lost == "*/commit/*" else 1), "weights that arrived stay there"
    assert before == {path: path.read_bytes() for path in sorted(run_folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("status", "said"), [(503, "the Hub is in trouble (503)"), (429, "asks to come back later (429)")]
)
def test_a_hub_in_trouble_is_told_from_a_lost_connection(
    status: int, said: str, plan: PushPlan, hub: LoopbackHub, api: HfApi
):
    hub.fail("POST */commit/*", times=1000, status=status)
    assert said in refusal(plan, api)


def test_trouble_with_the_token_is_told_in_one_line(
    plan: PushPlan, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    wrong = refusal(plan, HfApi(endpoint=hub.url, token="hf_revoked"))
    assert "does not accept the token (401)" in wrong and "hf auth login" in wrong and "hf_revoked" not in wrong
    reader = refusal(plan, HfApi(endpoint=hub.url, token=READER))
    assert "the token may not write there (403: " in reader and "write permission for org" in reader
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    before = len(hub.requests)
    missing = refusal(plan, HfApi(endpoint=hub.url))
    assert "there is no Hub token" in missing and "HF_TOKEN" in missing
    assert len(hub.requests) == before, "nobody is asked without a token"
    assert hub.repositories == {}


def test_a_private_repository_of_others_looks_like_a_taken_name(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    api.create_repo(REPO, private=True)
    reader = HfApi(endpoint=hub.url, token=READER)
    assert "the token may not write there (403" in refusal(plan, reader)
    assert hub.files(REPO) == {}


def test_a_public_repository_of_others_is_not_written_to(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    api.create_repo(REPO)
    assert "the token may not write there (403" in refusal(plan, HfApi(endpoint=hub.url, token=READER))


def test_offline_mode_is_named(plan: PushPlan, hub: LoopbackHub, api: HfApi, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    waits: list[float] = []
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        send(plan, api, waits=waits)
    assert waits == [], "waiting does not help"


def test_a_card_that_the_hub_refuses_is_named(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    wrong = changed(plan, "README.md", b"---\nlanguage: Spanish\n---\n# x\n")
    message = refusal(wrong, api)
    assert "the Hub refuses the card" in message and "language" in message
    assert hub.files(REPO) == {} and hub.count("PUT /lfs/*") == 0


@pytest.mark.parametrize("repo", ["tsl-es", "", "a/b/c", "org/ x", "org/..", "https://huggingface.co/org/x"])
def test_what_is_no_name_of_a_repository_is_refused(repo: str):
    with pytest.raises(InputError, match="ORG/NAME"):
        check_repo(repo)


def test_errors_of_the_program_are_not_hidden(plan: PushPlan, hub: LoopbackHub, api: HfApi):
    api.model_info = lambda *_, **__: 1 / 0
    with pytest.raises(ZeroDivisionError):
        send(plan, api)


def test_nothing_private_reaches_the_hub(run_folder: Path, hub: LoopbackHub, api: HfApi):
    """Every byte of every request is looked at, not only what ends up in the repository."""
    send(make_plan(run_folder, REPO), api)
    home = str(run_folder.parent).encode()
    assert all(home not in body and b"/home/alice" not in body for body in hub.bodies)


@pytest.mark.slow
def test_the_research_model_loads_with_its_code_from_its_folder(
    tmp_path: Path, run_folder: Path, hub: LoopbackHub, api: HfApi, stranger: Callable[..., str], tiny_model_dir: Path
):
    from transformers import AutoConfig, AutoTokenizer

    from hf_xner.models import MultiChannelConfig, MultiChannelForTokenClassification
    from hf_xner.models.register import register_models

    register_models()
    encoder = AutoConfig.from_pretrained(tiny_model_dir)
    config = MultiChannelConfig(encoder_config=encoder, id2label=encoder.id2label, label2id=encoder.label2id)
    MultiChannelForTokenClassification(config).save_pretrained(run_folder / "research")
    AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained(run_folder / "research")
    plan = make_plan(run_folder, REPO, research=True)
    assert "research/multi_channel.py" in {file.path for file in plan.files}
    send(plan, api)
    card = hub.files(REPO)["README.md"].decode()
    (program,) = [program for program in programs_of(card) if "research" in program]
    output = stranger(program + "\nprint(type(model).__name__)\n")
    assert output.splitlines()[-1] == "MultiChannelForTokenClassification"


def test_a_push_writes_nothing_at_home(run_folder: Path, hub: LoopbackHub, api: HfApi):
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")}
    send(make_plan(run_folder, REPO), api)
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")} == before


def test_a_model_that_travels_with_its_code_is_loaded_as_its_card_says(
    tmp_path: Path, hub: LoopbackHub, api: HfApi, stranger: Callable[..., str]
):
    """The BiLSTM-CRF of `augmented` is no encoder: what its card says must run without hf_xner all the same."""
    import numpy as np

    from hf_xner.models import BiLstmCrfConfig, BiLstmCrfForTokenClassification, WordFeatureExtractor
    from hf_xner.models.register import register_models
    from hf_xner.models.word_features import WordTable

    register_models()
    tags = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    words = ["Angela", "ib", "Kiel"]
    table = WordTable(words, np.eye(3, 4, dtype=np.float32))
    extractor = WordFeatureExtractor(characters=list("abc"), word_size=4, tables={"target": table})
    config = BiLstmCrfConfig(
        word_size=4, n_characters=extractor.n_characters, id2label=dict(enumerate(tags)), word_hidden=3, dense_size=3
    )
    model = tmp_path / "bilstm"
    BiLstmCrfForTokenClassification(config).save_pretrained(model)
    extractor.save_pretrained(model)
    shares = {"cross_augmented": 0.9, "source_mono": 0.6}
    vectors = {"source_vectors": "en.vec", "target_vectors": "de.vec"}
    run = make_run(tmp_path / "run", model, system="augmented", shares=shares, target="sample:de", **vectors)
    send(make_plan(run, REPO), api)
    files = hub.files(REPO)
    assert {"bilstm_crf.py", "word_features.py", "word_vectors.safetensors", "words_target.txt"} <= set(files)
    card = files["README.md"].decode()
    assert "trust_remote_code=True" in card and "a plain transformers model" not in card
    assert "xner-mini" not in card.partition("```bash")[0], "it has no encoder"
    output = stranger(programs_of(card)[0])
    (found,) = json.loads(output.splitlines()[-1].replace("'", '"'))
    assert set(found) <= set(tags) and len(found) > 1
