"""A card tells nothing that its variant did not do, for every variant that can become a run's student."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from hf_xner.hub.lineage import is_as_it_is
from hf_xner.hub.run_facts import collect_facts

from .fixtures import change_results
from .made_run import make_run
from .reading import card_of, front_matter
from .test_card import NEEDED, filled, method_of, of_variant

TEXT = "unlabelled target text"
COMBINED = "combined into one"
# What is said of how each variant was made (the first pattern) and what is not (the second, "" for nothing more).
METHODS: dict[str, dict[str, tuple[str, str]]] = {
    "tsl": {
        "sim": (f"{TEXT}; they were {COMBINED}", "best tags"),
        "avg": (f"{TEXT}; they were {COMBINED}", "best tags"),
        "cosine": (COMBINED, "best tags"),
        "l2": (COMBINED, "best tags"),
        "l1": (COMBINED, "best tags"),
        "hl_sim": (f"{COMBINED}. .* the best tags of these", ""),
        "hl_avg": (f"{COMBINED}. .* the best tags of these", ""),
        "tsl_de": (f"A teacher was trained on .*{TEXT}.*`de` alone", f"{COMBINED}|[Tt]eachers"),
        "hl_de": (f"A teacher was trained on .*{TEXT}.*`de` alone", f"{COMBINED}|[Tt]eachers"),
        "tsl_a": (f"A teacher was given. .*{TEXT}.*`a` alone", f"{COMBINED}|[Tt]eachers|trained on the"),
        "mt_de": ("trained on labelled German .* as it is", f"{TEXT}|student|English|[Tt]eachers"),
        "mt_a": ("had been trained before was given, .* as it is", f"{TEXT}|student|English|[Tt]eachers"),
        "joint": ("all sources, .* as it is", f"{TEXT}|student"),
        "tsl": (TEXT, f"{COMBINED}|best tags"),
        "hl": (f"{TEXT}.* best tags", COMBINED),
        "mt": ("as it is", f"{TEXT}|student"),
        "supervised": ("trained on the labelled sentences", f"{TEXT}|student|as it is"),
    },
    "unitrans": {
        "unitrans": (f"second model .*{TEXT}.* hard label", " times,"),
        "ensemble": (f"second model .* 5 times, .*{TEXT}.* hard label", ""),
        "without_hard": (f"then further .*{TEXT}", "second model|agree|hard label. A|vote on"),
        "without_soft": (f"second model .* agree .*{TEXT}.*these alone", "gave the probabilities"),
        "trans_student": (f"translated sentences alone. .*{TEXT}", "second model|agree|hard label|as they were, and"),
        "src_student": (f"{TEXT}.*Nothing was translated", "second model|agree|hard label|were translated"),
        "teacher": ("then further .* as it is", f"{TEXT}|second model|agree|student"),
        "combination": ("together, .* as it is", f"{TEXT}|second model|agree|student"),
        "data_transfer": ("translated sentences alone, .* as it is", f"{TEXT}|second model|agree|student"),
        "mt": ("as it is", f"{TEXT}|translat|agree|student"),
    },
    "transadv": {
        "transadv": (
            f"Four teachers .*that of source against .*language of a word or the order.*, those of entity and context "
            f"against one of the language.*{TEXT}",
            "as it is",
        ),
        "without_ldis": (f"Four teachers .*, that of source against a .*the order of a sentence.*{TEXT}", "of a word"),
        "without_odis": (
            f"Four teachers .*those of source, entity and context .*of a word.*{TEXT}",
            "order of a sent",
        ),
        "without_entity": (f"Three teachers .*source, context and order.*, that of context against.*{TEXT}", "Four"),
        "without_context": (f"Three teachers .*source, entity and order.*, that of entity against.*{TEXT}", "Four"),
        "without_order": (f"Three teachers .*source, entity and context;.*{TEXT}", "Four"),
        "without_mladv": (f"Four teachers .*those of entity and context against.*{TEXT}", "order of a sentence"),
        "without_mmkd": (f"One teacher, .*tags from the source sentences.*{TEXT}", "Four|Three|mean prob"),
        "advpicker": (f"were picked.*{TEXT}|{TEXT}.*were picked", "translat|Four"),
        "order": ("goes on from it: on translated sentences, in .* as it is", f"{TEXT}|Four|student"),
        "context": ("goes on from it: .* around entities. .* as it is", f"{TEXT}|Four|student"),
        "entity": ("goes on from it: .* of entities. .* as it is", f"{TEXT}|Four|student"),
        "src": ("A source teacher .* as it is", f"{TEXT}|Four|student|goes on"),
        "tladv": ("discriminator .* as it is", "translat|Four|picked|student"),
        "mt": ("as it is", f"{TEXT}|translat|adversar|student"),
    },
    "msd": {
        "msd": ("every channel's .*source and of target sentences was kept small. Its last channel", "plain distil"),
        "without_distillers": ("source and of target sentences was kept small", r"\(channels\)|same shape|Its last"),
        "without_mmd_l": ("every channel's .*the student of source sentences", "of target sentences"),
        "without_mmd_m": ("every channel's .*the student of target sentences", "student of source|source and"),
        "without_mmd": ("every channel's .* Its last channel", "distance"),
        "tsl_mmd": ("linear classifier .*distance .*gave the probabilities", "channel|same shape|the student of"),
        "without_all": ("linear classifier .*gave the probabilities", "channel|same shape|distance"),
        "teacher": (r"\(channels\) .* as it is", f"{TEXT}|student|distance"),
        "mt": ("as it is", f"{TEXT}|student|channel|distance"),
    },
    "augmented": {
        "distilled": (f"A plain encoder was trained .*{TEXT}", "pseudo|as it is"),
        "cross_augmented": ("pseudo labels", "as it is"),
        **{
            f"{name}{characters}": ("BiLSTM-CRF .* as it is", f"{TEXT}|pseudo|plain encoder")
            for name in ("cross_shared", "cross_word", "source_mono", "source_mono_random")
            for characters in ("", "_no_char")
        },
        "supervised": ("labelled sentences", f"{TEXT}|as it is"),
    },
}
CASES = [(system, variant) for system, variants in METHODS.items() for variant in variants]
TEACHERS = {
    "en": {"from": "sample:en", "given": False, "types": []},
    "de": {"from": "sample:de", "given": False, "types": []},
    "a": {"from": "org/a", "given": True, "types": []},
}
ONE_OF_TSL = ("tsl", "hl", "mt", "supervised")
LABELS = {"kind": "soft_labels", "key": "c" * 20, "settings": {}}


@pytest.mark.parametrize("system", METHODS)
def test_every_variant_that_can_become_the_student_is_looked_at(system: str):
    assert set(import_module(f"hf_xner.systems.{system}").PREFERENCE) <= set(METHODS[system])


def test_those_that_are_no_students_are_known_as_such():
    """The card's own list of them is held against what the systems say."""
    from hf_xner.systems import msd, transadv, tsl, unitrans
    from hf_xner.systems.transadv_arguments import RECIPES

    direct = {
        "tsl": {name for name, (use, _) in tsl.RECIPES.items() if use == "predict"} | {"joint"},
        "unitrans": set(unitrans._Models.OWN),
        "transadv": {name for name, recipe in RECIPES.items() if not recipe.distils} | {"tladv"},
        "msd": set(msd.TEACHERS),
        "augmented": set(),
    }
    for system, module in (("tsl", tsl), ("unitrans", unitrans), ("transadv", transadv), ("msd", msd)):
        assert {name for name in module.VARIANTS if is_as_it_is(name)} == direct[system]
    assert is_as_it_is("mt_de") and not is_as_it_is("tsl_de")


def run_of(system: str, variant: str, folder: Path, model: Path, **options: Any) -> Path:
    """A run whose student is this variant."""
    more: dict[str, Any] = {**NEEDED[system], **options}
    if system == "tsl" and variant not in ONE_OF_TSL:
        more |= {"source": ["sample:en", "sample:de"], "teacher": ["org/a"], "variants": ["avg"]}
        more |= {"facts": {"teachers": TEACHERS}}
    run = make_run(folder, model, shares={variant: 0.9, "other": 0.5}, sets=("target_test",), seeds=(1,), **more)
    if variant == "distilled":
        change_results(run, stages={"soft labels of cross_word, seed 1": LABELS})
    return run


def summary_of(card: str) -> str:
    return " ".join(card.split("\n# ")[1].partition("It finds")[0].split())


@pytest.mark.parametrize(("system", "variant"), CASES)
def test_a_card_tells_nothing_that_its_variant_did_not_do(
    system: str, variant: str, tmp_path: Path, tiny_model_dir: Path
):
    card = card_of(run_of(system, variant, tmp_path / "run", tiny_model_dir))
    method, said = method_of(card).partition(" - **")[0], METHODS[system][variant]
    assert filled(card) and "see `results.json`" not in card
    assert re.search(said[0], method), method
    assert not said[1] or not re.search(said[1], method), method
    limits = card.split("## Limits")[1]
    if is_as_it_is(variant):
        assert "plain Spanish text" not in summary_of(card) or variant == "tladv"
        assert "student learns" not in limits
    if variant not in ("mt", "supervised"):
        assert re.search(rf"\| `{variant}` \(this model\) \| [^|]+ [^|]*\|", card), "it is explained"


@pytest.mark.parametrize(("variant", "said"), [("tsl_de", "labelled German"), ("joint", "English and German")])
def test_a_model_of_one_teacher_learnt_from_that_ones_source_alone(
    variant: str, said: str, tmp_path: Path, tiny_model_dir: Path
):
    card = card_of(run_of("tsl", variant, tmp_path / "run", tiny_model_dir))
    assert said in summary_of(card) and "given" not in method_of(card) and "**Teacher:**" not in card
    assert f"what an entity is from {said.removeprefix('labelled ')};" in card


def test_a_student_with_another_encoder_is_of_no_same_shape(tmp_path: Path, tiny_model_dir: Path):
    same = card_of(run_of("msd", "msd", tmp_path / "a" / "run", tiny_model_dir))
    other = card_of(run_of("msd", "msd", tmp_path / "b" / "run", tiny_model_dir, student_encoder="org/small"))
    assert "a student of the same shape" in method_of(same)
    assert "a student with another encoder" in method_of(other) and "same shape" not in other


def test_a_distilled_encoder_is_not_called_what_taught_it(tmp_path: Path, tiny_model_dir: Path):
    run = run_of("augmented", "distilled", tmp_path / "run", tiny_model_dir, distil_to="org/small")
    said = summary_of(card_of(run))
    assert "a plain encoder that learnt from a BiLSTM-CRF that augmented fine-tuning" in said


@pytest.mark.parametrize(
    ("system", "variant", "more", "said"),
    [
        ("tsl", "tsl", {}, "of the student's epochs the one with the best F1"),
        ("transadv", "transadv", {}, "of the student's epochs the one with the best F1"),
        ("transadv", "transadv", {"teachers_like_student": True}, "and of those of the models behind it, those with"),
        ("transadv", "mt", {"teachers_like_student": True}, "and of those of the models behind it, those with"),
        ("augmented", "cross_word", {}, "and of those of the models behind it, those with"),
        ("tsl", "mt", {}, ""),
        ("unitrans", "teacher", {}, ""),
        ("msd", "mt", {}, ""),
    ],
)
def test_what_the_targets_dev_labels_chose(
    system: str, variant: str, more: dict[str, Any], said: str, tmp_path: Path, tiny_model_dir: Path
):
    """Teachers and direct transfer are picked on the source's, unless they are picked like the student."""
    run = run_of(system, variant, tmp_path / "run", tiny_model_dir, select_on="target_dev", **more)
    card, facts = card_of(run), collect_facts(run)
    picked = "labelled, picks the best epoch"
    assert (picked in facts.target.roles) is bool(said)
    assert any(picked in source.roles for source in facts.sources) is not bool(said)
    assert ("zero-resource" in front_matter(card)["tags"]) is not bool(said)
    one_line = " ".join(card.replace("\n>", "\n").split())
    assert (
        said in one_line if said else "(the epoch with the best F1 on labelled source sentences was kept)" in one_line
    )


@pytest.mark.parametrize("select_on", ["source_dev", "target_dev"])
def test_trainings_of_one_epoch_were_chosen_by_nobody(select_on: str, tmp_path: Path, tiny_model_dir: Path):
    """`--select_on` had nothing to pick from, and the card says nothing of it."""
    run = make_run(tmp_path / "run", tiny_model_dir, select_on=select_on)
    change_results(run, chosen_on="none", target_labels_used=False)
    card, facts = card_of(run), collect_facts(run)
    assert facts.chosen_on == "none" and facts.zero_resource and "best F1" not in card
    assert not any("picks the best epoch" in role for corpus in facts.corpora for role in corpus.roles)


def test_a_student_of_teachers_that_target_labels_picked_is_not_zero_resource(tmp_path: Path, tiny_model_dir: Path):
    """Its own training was too short to pick from, theirs was not."""
    options = {"select_on": "target_dev", "teachers_like_student": True}
    run = run_of("transadv", "transadv", tmp_path / "run", tiny_model_dir, **options)
    change_results(run, chosen_on="none")
    card = card_of(run)
    assert not collect_facts(run).zero_resource and "zero-resource" not in front_matter(card)["tags"]
    assert "Labels of the target language were used" in card and "No label of the target" not in card


def test_discriminators_that_only_watch_hide_nothing(tmp_path: Path, tiny_model_dir: Path):
    for variant in ("transadv", "src", "advpicker", "tladv"):
        run = run_of("transadv", variant, tmp_path / variant / "run", tiny_model_dir, generator_step=False)
        text = method_of(of_variant(run, variant))
        assert not re.search("against|must not be able|keep it from", text), text


def test_an_ordinary_tagger_of_one_epoch_was_chosen_by_nobody(tmp_path: Path, tiny_model_dir: Path):
    options = {"system": "supervised", "shares": {"supervised": 0.9}, "target": "", "sets": ("source_test",)}
    run = make_run(tmp_path / "run", tiny_model_dir, select_on="source_dev", **options)
    assert "The epoch with the best F1 on the labelled dev set was kept" in card_of(run)
    change_results(run, chosen_on="none")
    assert "best F1" not in card_of(run)


def test_weights_of_teachers_are_those_of_its_own(tmp_path: Path, tiny_model_dir: Path):
    run = run_of("transadv", "without_context", tmp_path / "run", tiny_model_dir)
    weighed = method_of(of_variant(run, "without_context", teacher_weights=[2.0, 1.0, 9.0, 0.5]))
    assert "(with the weights 2.0, 1.0, 0.5)" in weighed
    assert json.loads((run / "results.json").read_text())["student"] == "without_context"
