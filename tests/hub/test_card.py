"""What a card says, and that the Hub's own classes can read it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_xner.data import describe
from hf_xner.errors import InputError
from hf_xner.hub import card as card_module
from hf_xner.hub.card import card_files, checked, model_card
from hf_xner.hub.run_facts import collect_facts
from hf_xner.systems.summary import RESEARCH

from .fixtures import change_results
from .made_run import make_run
from .reading import card_of, front_matter

SYSTEMS = {
    "tsl": "wu-etal-2020-single",
    "unitrans": "wu-etal-2020-unitrans",
    "transadv": "zhao-etal-2022-transadv",
    "msd": "ma-etal-2022-wider",
    "augmented": "bari-etal-2020-zero",
}
NEEDED: dict[str, dict[str, Any]] = {
    "tsl": {},
    "unitrans": {"system": "unitrans", "dictionary": "en-es.txt"},
    "transadv": {"system": "transadv", "dictionary": "en-es.txt"},
    "msd": {"system": "msd"},
    "augmented": {"system": "augmented", "source_vectors": "en.vec", "target_vectors": "es.vec"},
}


def table_row(card: str, label: str) -> list[str]:
    line = next(line for line in card.splitlines() if line.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_plain_f1_comes_first_and_the_taggers_beside_it_with_mean_and_sd(made_run: Path):
    card = card_of(made_run)
    scores = json.loads((made_run / "results.json").read_text())["variants"]["tsl"]["target_test"]
    plain, tagger = ([100 * value for value in scores[kind]["f1"]["values"]] for kind in ("plain", "tagger"))
    assert table_row(card, "**F1**") == [
        f"{np.mean(plain):.2f} ± {np.std(plain, ddof=1):.2f}",
        f"{np.mean(tagger):.2f} ± {np.std(tagger, ddof=1):.2f}",
    ]
    assert [table_row(card, f"seed {seed}")[0] for seed in (1, 2, 3)] == [f"{value:.2f}" for value in plain]
    for name in ("LOC", "ORG", "PER"):
        mean = 100 * scores["plain"]["per_type"][name]["mean"]
        assert table_row(card, f"F1 {name}")[0].startswith(f"{mean:.2f} ± ")
    assert f"of seed 1; it reaches {plain[0]:.2f} plain" in card
    assert card.index("### On `sample:es test`") < card.index("### On `sample:en validation`")
    assert "One seed" not in card


def test_a_single_seed_is_said_to_be_one(tmp_path: Path, tiny_model_dir: Path):
    card = card_of(make_run(tmp_path / "run", tiny_model_dir, seeds=(7,)))
    assert "One seed (7) was trained" in card and "±" not in card


@pytest.mark.parametrize(
    ("tsl", "mt", "verdict"),
    [(0.95, 0.2, "`tsl` is **better**"), (0.2, 0.95, "`tsl` is **worse**"), (0.7, 0.7, "**cannot be told apart**")],
)
def test_the_difference_to_direct_transfer_comes_with_its_interval(
    tsl: float, mt: float, verdict: str, tmp_path: Path, tiny_model_dir: Path
):
    run = make_run(tmp_path / "run", tiny_model_dir, shares={"tsl": tsl, "mt": mt}, sets=("target_test",))
    (gap,) = json.loads((run / "results.json").read_text())["differences"]
    lines = [line for line in card_of(run).splitlines() if line.startswith("- to direct transfer, `mt`")]
    assert len(lines) == 2
    test = gap["over_seeds"]
    points = [f"{100 * test[key]:+.2f}" for key in ("mean_difference", "low", "high")]
    assert f"{points[0]} [{points[1]}, {points[2]}] (mean over 3 seeds, paired t-test)" in lines[0]
    assert "paired bootstrap over 13 sentences" in lines[1]
    assert verdict in lines[0]


def test_a_pair_that_is_stored_the_other_way_round_is_turned(run_folder: Path):
    results = json.loads((run_folder / "results.json").read_text())
    gap = results["differences"][0]
    before = [line for line in card_of(run_folder).splitlines() if "`mt`:" in line]
    gap["first"], gap["second"] = gap["second"], gap["first"]
    for name, middle in (("over_seeds", "mean_difference"), ("over_sentences", "difference")):
        test = gap[name]
        test[middle], test["low"], test["high"] = -test[middle], -test["high"], -test["low"]
    # Another pair with the baseline comes first, as it does with several variants.
    other = {**gap, "first": "hl", "second": "mt"}
    change_results(run_folder, differences=[other, *results["differences"]])
    assert [line for line in card_of(run_folder).splitlines() if "`mt`:" in line] == before


@pytest.mark.parametrize(
    ("select_on", "said"),
    [
        ("none", "**No label of the target language was used**: not to train, and not to choose the model\n(the last"),
        ("source_dev", "(the epoch with the best F1 on labelled source sentences was kept)"),
        ("target_dev", "**Labels of the target language were used to choose this model.** They trained nothing"),
        ("target_test", "**An oracle, chosen on the very labels that it is scored on.**"),
    ],
)
def test_target_labels_used_for_selection_are_said_in_plain_words(
    select_on: str, said: str, tmp_path: Path, tiny_model_dir: Path
):
    card = card_of(make_run(tmp_path / "run", tiny_model_dir, select_on=select_on))
    assert said in card and ("No label of the target" in card) is (select_on in ("none", "source_dev"))
    zero_resource = "zero-resource" in front_matter(card)["tags"]
    assert zero_resource is not select_on.startswith("target")


def test_an_upper_bound_says_so_first_of_all(tmp_path: Path, tiny_model_dir: Path):
    run = make_run(tmp_path / "run", tiny_model_dir, shares={"supervised": 0.9, "mt": 0.5})
    card = card_of(run)
    assert card.index("**Trained on labels of the target language.**") < card.index("## How good it is")
    assert "No label of the target" not in card and "zero-resource" not in front_matter(card)["tags"]
    assert collect_facts(run).default_name == "supervised-es"


def test_an_ordinary_tagger_is_for_the_language_of_its_corpus(tmp_path: Path, tiny_model_dir: Path):
    run = make_run(
        tmp_path / "run",
        tiny_model_dir,
        system="supervised",
        shares={"supervised": 0.9},
        sets=("source_test",),
        source=["conll2003:en"],
        target="",
    )
    card = card_of(run)
    assert front_matter(card)["language"] == ["en"] and "Difference in points" not in card
    assert "An ordinary tagger for English, trained on labelled sentences of that language." in card


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_has_a_card_that_cites_its_paper(system: str, tmp_path: Path, tiny_model_dir: Path):
    preferred = "cross_augmented" if system == "augmented" else system
    card = card_of(make_run(tmp_path / "run", tiny_model_dir, shares={preferred: 0.9, "mt": 0.5}, **NEEDED[system]))
    assert f"@inproceedings{{{SYSTEMS[system]}," in card
    assert card.count(SYSTEMS[system]) == 1
    assert front_matter(card)["tags"][2] == system
    assert filled(card)


def filled(card: str) -> bool:
    """Whether a template has left nothing unfilled."""
    return not re.search(r"\{[{%#]|\bNone\b|Undefined", card.partition("```bibtex")[0]) and "\n\n\n" not in card


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_variant_of_a_system_is_explained(system: str, tmp_path: Path, tiny_model_dir: Path):
    variants = import_module(f"hf_xner.systems.{system}").PREFERENCE
    run = make_run(tmp_path / "run", tiny_model_dir, shares={"mt": 0.5, "b": 0.6}, **NEEDED[system])
    scores = json.loads((run / "results.json").read_text())["variants"]["mt"]
    change_results(run, variants=dict.fromkeys(variants, scores))
    labels = {"kind": "soft_labels", "key": "c" * 20, "settings": {}}
    for variant in variants:
        change_results(run, student=variant, stages={"soft labels of cross_word, seed 1": labels})
        card = card_of(run)
        assert filled(card) and "see `results.json`" not in card
        if variant != "supervised":  # in an upper bound's own card the others are not this run's subject
            explained = {
                name: table_row(card, f"`{name}`{' (this model)' * (name == variant)}")[0] for name in variants
            }
            assert all(explained.values()), explained


def method_of(card: str) -> str:
    """What a card says of how its model was made, on one line."""
    return " ".join(card.split("## How it was made")[1].split("| corpus |")[0].split())


def of_variant(run: Path, variant: str, **arguments: Any) -> str:
    """The card of a run as if another variant had become its student."""
    results = json.loads((run / "results.json").read_text())
    change_results(
        run, student=variant, variants={variant: next(iter(results["variants"].values()))}, arguments=arguments
    )
    return card_of(run)


def test_the_card_of_transadv_tells_what_its_variant_learnt_from(tmp_path: Path, tiny_model_dir: Path):
    run = make_run(tmp_path / "run", tiny_model_dir, shares={"transadv": 0.9, "mt": 0.5}, **NEEDED["transadv"])
    card = of_variant(run, "transadv")
    assert "translated word by word (PER stayed), code-switched and shuffled" in method_of(card)
    assert "Bilingual dictionary" in card and "with the weights" not in card
    weighed = method_of(of_variant(run, "transadv", teacher_weights=[2.0, 1.0, 1.0, 0.5], strategy="phrase"))
    assert "(with the weights 2.0, 1.0, 1.0, 0.5)" in weighed and "translated piece by piece" in weighed
    assert "Google" not in weighed and "- **Translation:** Google's" in of_variant(run, "transadv", google=True)
    picked = of_variant(run, "advpicker", picked_share=0.75)
    assert "The 75 % of the target sentences" in method_of(picked)
    for name, variant in (("advpicker", picked), ("tladv", of_variant(run, "tladv")), ("mt", of_variant(run, "mt"))):
        assert (
            "translat"
            not in variant.partition("```bash")[0] + variant.partition("## Limits")[2].partition("## Cit")[0]
        )
        assert ("chen-etal-2021-advpicker" in variant) is (name != "mt") is ("zhao-etal" not in variant)
    summary = " ".join(of_variant(run, "src").partition("It finds")[0].split())
    assert "sentences and their translation by adversarial training" in summary
    assert "adversar" not in method_of(of_variant(run, "mt")) and "as it is" in method_of(of_variant(run, "mt"))


def test_a_model_that_decodes_itself_has_one_figure_and_no_widget(tmp_path: Path, tiny_model_dir: Path):
    """transformers' pipeline cannot run the BiLSTM-CRF of augmented, so nothing is said of what it would get."""
    run = make_run(tmp_path / "run", tiny_model_dir, shares={"cross_augmented": 0.9, "mt": 0.5}, **NEEDED["augmented"])
    plain = card_of(run)
    assert len(table_row(plain, "**F1**")) == 2 and "widget" in front_matter(plain)
    config = run / "student" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"auto_map": {}}))
    (run / "student" / "tokenizer_config.json").unlink()
    card = card_of(run)
    assert len(table_row(card, "**F1**")) == len(table_row(card, "seed 1")) == 1
    figures = card.split("## How good it is")[1].split("## How to use it")[0]
    assert "pipeline" not in figures and "Plain" not in figures and "sub-words" not in card
    (results,) = [front_matter(card)["model-index"][0]["results"]]
    names = [metric["name"] for result in results for metric in result["metrics"]]
    assert "F1 (decoded by the model itself)" in names and not any("pipeline" in name for name in names)
    assert "widget" not in front_matter(card) and "inference" not in front_matter(card)
    assert "holds the vectors of the words that the model knows" in card
    mt = json.loads((run / "results.json").read_text())["variants"]["mt"]
    change_results(run, student="supervised", variants={"supervised": mt})
    bound = card_of(run)
    assert "**Trained on labels of the target language.**" in bound and "pseudo" not in method_of(bound)
    assert "the upper bound of augmented fine-tuning" in " ".join(bound.split())


def test_a_distilled_model_says_what_it_was_distilled_from(tmp_path: Path, tiny_model_dir: Path):
    run = make_run(tmp_path / "run", tiny_model_dir, shares={"distilled": 0.9, "mt": 0.5}, **NEEDED["augmented"])
    labels = {"kind": "soft_labels", "key": "c" * 20, "settings": {}}
    change_results(run, stages={"soft labels of cross_word, seed 1": labels})
    card = method_of(card_of(run))
    assert "(`cross_word`)" in card and "pseudo" not in card and "mean squared error" in card
    results = json.loads((run / "results.json").read_text())
    stages = {name: stage for name, stage in results["stages"].items() if "cross_word" not in name}
    results["stages"] = stages | {"soft labels of cross_augmented, seed 1": labels}
    (run / "results.json").write_text(json.dumps(results))
    assert "(`cross_augmented`)" in method_of(card_of(run)) and "pseudo" in method_of(card_of(run))


def test_a_dictionary_is_named_because_its_licence_counts(tmp_path: Path, tiny_model_dir: Path):
    run = make_run(
        tmp_path / "run",
        tiny_model_dir,
        system="unitrans",
        shares={"unitrans": 0.9, "mt": 0.5},
        dictionary="/home/alice/muse/en-es.txt",
    )
    assert "- **Bilingual dictionary:** `en-es.txt`; its licence counts too" in card_of(run)


def test_a_system_without_a_template_is_told(run_folder: Path):
    change_results(run_folder, system="unheard_of")
    with pytest.raises(InputError, match="no card template unheard_of"):
        card_of(run_folder)


def test_licences_come_from_the_registry_and_the_encoder(made_run: Path, conll_run: Path):
    card = card_of(conll_run)
    for spec in ("conll2003:en", "conll2002:es"):
        row = next(line for line in card.splitlines() if line.startswith(f"| `{spec}`"))
        assert describe(spec).licence in row and describe(spec).homepage in row
        key = re.search(r"\{(.+?),", describe(spec).citation)
        assert key is not None and card.count(key[1]) == 1
    data = front_matter(card)
    assert (data["license"], data["license_name"]) == ("other", "research-only")
    assert data["base_model"] == "google-bert/bert-base-multilingual-cased"
    assert data["datasets"] == ["eriktks/conll2003", "eriktks/conll2002"]
    assert "huggingface.co/google-bert/bert-base-multilingual-cased" in card and "**Research only.**" not in card
    built_in = card_of(made_run)
    assert "**Research only.** The encoder is `xner-mini`" in built_in and "base_model" not in front_matter(built_in)
    assert front_matter(built_in)["license_name"] == "research-only"


def test_what_was_made_from_an_encoder_for_research_gets_no_other_licence(made_run: Path):
    with pytest.raises(InputError, match="--license: a model made from this encoder is for research only"):
        card_of(made_run, licence="mit")


def test_a_type_that_is_never_found_is_told(run_folder: Path):
    assert " is 0 wherever" not in card_of(run_folder)
    results = json.loads((run_folder / "results.json").read_text())
    for scores in results["variants"][results["student"]].values():
        scores["plain"]["per_type"]["ORG"]["mean"] = 0.0
    change_results(run_folder, variants=results["variants"])
    assert "Its F1 of ORG is 0 wherever it was measured." in card_of(run_folder)


def test_a_language_must_be_a_code(tmp_path: Path, tiny_model_dir: Path):
    with pytest.raises(InputError, match="--language: 'klingon' is no language code; give one such as sw"):
        collect_facts(make_run(tmp_path / "run", tiny_model_dir), language="klingon")


def test_ones_own_files_have_no_known_licence_and_a_language_only_if_it_is_said(tmp_path: Path, tiny_model_dir: Path):
    for name in ("english", "swahili"):
        (tmp_path / name).mkdir()
    paths = {"source": [f"{tmp_path}/english:en"], "target": f"{tmp_path}/swahili:sw"}
    encoder = {"encoder": str(tiny_model_dir)}
    card = card_of(make_run(tmp_path / "run", tiny_model_dir, **paths, **encoder))
    assert front_matter(card)["language"] == ["sw"] and front_matter(card)["license"] == "unknown"
    assert "# Swahili named-entity tagger" in card and "from labelled English sentences" in " ".join(card.split())
    rows = [line for line in card.splitlines() if line.startswith("| `swahili:sw`")]
    assert len(rows) == 1 and rows[0].endswith("| not stated |")
    assert f"`{tiny_model_dir.name}`; licence: not stated" in card and "base_model" not in card
    assert str(tmp_path) not in card and "alice" not in card
    untold = make_run(tmp_path / "b" / "run", tiny_model_dir, source=["sample:en"], target=str(tmp_path / "swahili"))
    assert "language" not in front_matter(card_of(untold))
    assert collect_facts(untold, language="sw").default_name == "tsl-sw"


def test_the_limit_is_said_in_tokens(made_run: Path, run_folder: Path):
    assert "The model reads at most **64 tokens**" in card_of(made_run)
    path = run_folder / "student" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 48}))
    assert "The model reads at most **48 tokens**" in card_of(run_folder)


def test_calibration_is_said_and_left_out_where_there_was_none(made_run: Path, tmp_path: Path, tiny_model_dir: Path):
    card = card_of(made_run)
    assert "0.062" in card and "0.031" in card and "The temperature 1.38" in card
    assert "temperature" not in card_of(make_run(tmp_path / "run", tiny_model_dir, calibration=None))


def test_a_run_without_labels_to_score_on_says_that_nothing_was_measured(tmp_path: Path, tiny_model_dir: Path):
    run = make_run(tmp_path / "run", tiny_model_dir, sets=())
    card = card_of(run)
    assert "Not measured" in card and "model-index" not in front_matter(card) and "## What it does" not in card
    assert "served only to measure" not in card


def test_five_examples_with_the_gold_tags_where_they_differ(made_run: Path):
    block = card_of(made_run).split("```text\n")[1].split("```")[0].splitlines()
    predicted = [line for line in block if not line.startswith("  gold: ")]
    assert len(predicted) == 5 and all("[" in line for line in predicted)
    facts = collect_facts(made_run)
    wrong = [example for example in facts.examples if example.predicted != example.gold]
    assert len(block) - 5 == len(wrong)
    none = model_card(collect_facts(made_run, examples=0), repo="org/x")
    assert "```text" not in none and "widget" not in front_matter(none)
    assert not any(example.text in none for example in facts.examples)


def test_text_of_a_corpus_cannot_break_out_of_the_card(run_folder: Path):
    evil = ["```", "<script>alert(1)</script>", '"""', "{{7*7}}", "|", "\\"]
    lines = "".join(f"{word} {tag} {tag}\n" for word, tag in zip(evil, ["B-PER", *["I-PER"] * 5], strict=True))
    (run_folder / "predictions_target_test" / "plain.conll").write_text(lines + "\n")
    card = card_of(run_folder)
    block = card.split("```text\n")[1].split("\n```")[0]
    assert "<script>" in block and "{{7*7}}" in block and "49" not in block
    # Outside code blocks nothing of it is left, and the programs still are programs.
    assert "<script>" not in re.sub(r"```.*?```", "", card.split("---\n", 2)[2], flags=re.DOTALL)
    programs = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    assert len(programs) == 2
    for program in programs:
        compile(program, "card", "exec")


def test_names_of_ones_own_corpora_cannot_break_a_table(tmp_path: Path, tiny_model_dir: Path):
    odd = tmp_path / "a|b`<b>c"
    odd.mkdir()
    card = card_of(make_run(tmp_path / "run", tiny_model_dir, target=f"{odd}:sw"))
    assert r"| `a\|b'&lt;b>c:sw`:" in card


def test_a_card_needs_neither_the_network_nor_the_corpora(conll_run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a card asked the network"))
    monkeypatch.setattr("hf_xner.data.corpora.load_corpus", lambda *_, **__: pytest.fail("a card read a corpus"))
    assert card_of(conll_run)


def test_whatever_goes_wrong_there_is_a_card(run_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(card_module, "render", lambda *_, **__: 1 / 0)
    files, (note,) = card_files(run_folder, repo="org/tsl-es")
    assert "(ZeroDivisionError: division by zero): a bare one goes up instead" in note
    assert set(files) == {"README.md"} and checked(files["README.md"])
    monkeypatch.undo()
    (run_folder / "predictions_target_test" / "plain.conll").write_text("no columns\n")
    files, (note,) = card_files(run_folder, repo="org/tsl-es")
    assert "InputError" in note and "# tsl-es" in files["README.md"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# no front matter\n", "no front matter"),
        ("---\nlanguage: [en\n---\n# x\n", "front matter is no model card's"),
        ("---\n- a\n---\n# x\n", "front matter is no model card's"),
    ],
)
def test_a_card_that_the_hub_could_not_read_is_refused(text: str, found: str):
    with pytest.raises(InputError, match=found):
        checked(text)


def test_the_research_model_is_pointed_out(run_folder: Path, tiny_model_dir: Path):
    assert "research model" not in card_of(run_folder)
    (run_folder / RESEARCH).mkdir()
    (run_folder / RESEARCH / "config.json").write_text("{}")
    assert "[`research/`](research)" in card_of(run_folder)


def test_teachers_that_were_given_are_named_and_suspicions_told(tmp_path: Path, tiny_model_dir: Path):
    given = {"source": [], "teacher": ["/home/alice/teachers/wikineural"], "sets": ("target_test",)}
    warning = "the teacher wikineural is for es by its card, and may have been trained on labels of it: "
    warning += "what it teaches is then no zero-resource result"
    quiet = make_run(tmp_path / "a" / "run", tiny_model_dir, **given)
    card = card_of(quiet)
    assert "- **Teacher:** `wikineural`, trained before" in card and "learnt from taggers of other languages" in card
    assert "nothing is recorded that speaks for labels" in card and "zero-resource" in front_matter(card)["tags"]
    warned = card_of(make_run(tmp_path / "b" / "run", tiny_model_dir, facts={"warnings": [warning]}, **given))
    assert f"> **Not zero-resource:** {warning}." in warned
    other = {"warnings": ["translation left 60 of the source's 100 sentences as they were"]}
    told = card_of(make_run(tmp_path / "c" / "run", tiny_model_dir, facts=other, **given))
    assert "Not zero-resource" not in told and "zero-resource" in front_matter(told)["tags"]
    assert "zero-resource" not in front_matter(warned)["tags"]


def test_an_unfinished_run_has_no_card(tmp_path: Path):
    with pytest.raises(InputError, match="holds no finished run"):
        collect_facts(tmp_path)


def test_the_hub_room_is_light():
    """A card and a push need neither torch nor transformers' models."""
    code = (
        "import sys, hf_xner.hub.push, hf_xner.hub.plan, hf_xner.hub.space\n"
        "print(sorted({'torch', 'datasets'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
