"""What would go up: the model, its card and its figures, cleaned; nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hf_xner.errors import InputError
from hf_xner.hub import card as card_module
from hf_xner.hub.machine import Machine
from hf_xner.hub.plan import CardOptions, PushPlan, make_plan

from .fixtures import change_results
from .made_run import make_run

ALICE = Machine(users=("alice",), hosts=("buildbox-17",), home="/home/alice")


def text_of(plan: PushPlan, path: str) -> str:
    (file,) = [file for file in plan.files if file.path == path]
    return file.read().decode()


def paths(plan: PushPlan) -> list[str]:
    return [file.path for file in plan.files]


def plan_of(run: Path, **options) -> PushPlan:
    return make_plan(run, "org/tsl-es", **options)


def test_the_plain_student_is_at_the_root_with_card_and_results(made_run: Path):
    assert paths(plan_of(made_run)) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "results.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_figures_on_datasets_of_the_hub_go_along_in_their_own_form(conll_run: Path):
    assert paths(plan_of(conll_run))[:2] == [".eval_results/conll2002.yaml", ".eval_results/conll2003.yaml"]


def test_only_what_belongs_to_a_model_goes_up(run_folder: Path):
    student = run_folder / "student"
    for name in ("training_args.bin", "optimizer.pt", ".env", "notes.txt", "modeling.py", "trainer_state.json"):
        (student / name).write_text("x")
    (student / "checkpoint-1").mkdir()
    (student / "checkpoint-1" / "model.safetensors").write_text("x")
    (student / "model-00001-of-00002.safetensors").write_bytes((student / "model.safetensors").read_bytes())
    plan = plan_of(run_folder)
    assert paths(plan) == [
        "README.md",
        "config.json",
        "model-00001-of-00002.safetensors",
        "model.safetensors",
        "results.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    (note,) = plan.notes
    assert note.startswith("left out") and all(name in note for name in (".env", "checkpoint-1", "training_args.bin"))


def test_no_path_or_name_of_the_machine_is_in_any_file(run_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hf_xner.hub.plan.this_machine", lambda: ALICE)
    monkeypatch.setattr("hf_xner.hub.run_facts.this_machine", lambda: ALICE)
    results = json.loads((run_folder / "results.json").read_text())
    change_results(
        run_folder,
        command=f"/home/alice/env/bin/xner train tsl --store {run_folder}/store --data_dir ~alice/corpora",
        arguments=results["arguments"] | {"mapping": "/home/alice/maps/en-es", "note": "alice@buildbox-17:/x/y"},
        machine={"host": "buildbox-17", "user": "alice"},
    )
    config = json.loads((run_folder / "student" / "config.json").read_text())
    (run_folder / "student" / "config.json").write_text(json.dumps(config | {"_name_or_path": str(run_folder)}))
    plan = plan_of(run_folder)
    for file in plan.files:
        content = file.read()
        for private in ("alice", "buildbox", str(run_folder), str(run_folder.parent), "/home"):
            assert private.encode() not in content, f"{private} in {file.path}"
    assert json.loads(text_of(plan, "results.json"))["arguments"]["mapping"] == "en-es"
    # What is on the disk stays as it was.
    assert "alice" in (run_folder / "results.json").read_text()
    assert "_name_or_path" in (run_folder / "student" / "config.json").read_text()


def test_a_secret_in_the_records_is_refused_with_the_file_to_mend(run_folder: Path):
    secret = "hf_" + "aB3" * 11
    change_results(run_folder, command=f"xner train tsl --token {secret}")
    with pytest.raises(InputError) as error:
        plan_of(run_folder)
    assert str(run_folder / "results.json") in str(error.value) and secret not in str(error.value)


def test_what_was_written_by_hand_is_checked_too(run_folder: Path):
    (run_folder / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n\nTrained from /home/alice/data/x.\n")
    with pytest.raises(InputError, match="README.md: holds an absolute path"):
        plan_of(run_folder)


def test_a_card_in_the_run_folder_goes_before_ours(run_folder: Path):
    own = "---\nlicense: mit\n---\n# Mine\n"
    (run_folder / "README.md").write_text(own)
    plan = plan_of(run_folder)
    assert text_of(plan, "README.md") == own and plan.notes == ["README.md is the one in the run folder"]
    (run_folder / "README.md").write_text("# Mine, without front matter\n")
    with pytest.raises(InputError, match="no front matter"):
        plan_of(run_folder)


@pytest.mark.parametrize("sign", [{"oracle": True}, {"oracle": True, "chosen_on": "none"}])
def test_an_oracle_run_is_refused_in_one_line(run_folder: Path, sign: dict):
    change_results(run_folder, **sign)
    with pytest.raises(InputError, match="oracle run: its best epoch was picked on the target's test") as error:
        plan_of(run_folder)
    assert "\n" not in str(error.value)


def test_an_oracle_run_is_one_by_the_code_that_writes_the_records(tmp_path: Path, tiny_model_dir: Path):
    run = make_run(tmp_path / "run", tiny_model_dir, select_on="target_test")
    assert json.loads((run / "results.json").read_text())["oracle"] is True
    with pytest.raises(InputError, match="oracle"):
        plan_of(run)


def test_an_upper_bound_may_be_published_under_its_name(tmp_path: Path, tiny_model_dir: Path):
    run = make_run(tmp_path / "run", tiny_model_dir, shares={"supervised": 0.9, "mt": 0.5})
    assert "Trained on labels of the target language" in text_of(plan_of(run), "README.md")


def test_the_research_model_goes_along_with_its_code_if_asked_for(run_folder: Path, tiny_model_dir: Path):
    (line,) = plan_of(run_folder, research=True).notes
    assert line.startswith("no research model goes up: the run has none")
    research = shutil.copytree(tiny_model_dir, run_folder / "research")
    config = json.loads((research / "config.json").read_text())
    (research / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "multi_channel.X"}}))
    (research / "multi_channel.py").write_text("x = 1\n")
    (research / "optimizer.pt").write_text("x")
    plan = plan_of(run_folder, research=True)
    sent = [path for path in paths(plan) if path.startswith("research/")]
    names = ["config.json", "model.safetensors", "multi_channel.py", "tokenizer.json", "tokenizer_config.json"]
    assert sent == [f"research/{name}" for name in names]
    assert plan.notes == ["left out, because a model needs no such files: research/optimizer.pt"]
    unasked = plan_of(run_folder)
    assert not [path for path in paths(unasked) if path.startswith("research/")]
    assert unasked.notes == ["the run has a research model too; --also-research-model sends it along"]


def test_a_card_that_fails_does_not_keep_the_model(run_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(card_module, "render", lambda *_, **__: 1 / 0)
    plan = plan_of(run_folder)
    assert {"model.safetensors", "README.md", "results.json"} <= set(paths(plan))
    assert plan.notes == [
        "the card could not be written (ZeroDivisionError: division by zero): a bare one goes up instead"
    ]


def test_what_the_author_says_is_on_the_card(conll_run: Path, made_run: Path):
    options = CardOptions(licence="cc-by-4.0", language="ca", examples=1)
    with pytest.raises(InputError, match="--license: a model made from this encoder is for research only"):
        plan_of(made_run, options=options)
    card = text_of(plan_of(conll_run, options=options), "README.md")
    assert "license: cc-by-4.0" in card and "# Catalan named-entity tagger" in card
    assert len(card.split("```text\n")[1].split("```")[0].replace("  gold", "gold").splitlines()) <= 2


def test_somebody_is_told_that_the_card_quotes_text_of_his_own(tmp_path: Path, tiny_model_dir: Path):
    (tmp_path / "letters").mkdir()
    run = make_run(tmp_path / "run", tiny_model_dir, target=f"{tmp_path}/letters:es", sets=("target_test",))
    (note,) = plan_of(run).notes
    assert note == "the card quotes 5 sentences of letters:es test; --examples 0 leaves them out"
    assert plan_of(run, options=CardOptions(examples=0)).notes == []


def test_the_listing_tells_files_and_sizes(made_run: Path):
    plan = plan_of(made_run)
    lines = plan.listing().splitlines()
    assert len(lines) == len(plan.files) + 1
    weights = next(line for line in lines if "model.safetensors" in line)
    assert weights.split()[-1] == "kB" and lines[-1].startswith(f"  {len(plan.files)} files, ")


@pytest.mark.parametrize("missing", ["results.json", "student"])
def test_a_run_that_has_not_finished_is_refused(run_folder: Path, missing: str):
    path = run_folder / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match="holds no finished run"):
        plan_of(run_folder)


def test_plans_of_the_same_run_are_the_same(made_run: Path):
    """Otherwise a second push would send again what is there."""
    first, second = plan_of(made_run), plan_of(made_run)
    assert [(file.path, file.read()) for file in first.files] == [(file.path, file.read()) for file in second.files]
