"""What users of such libraries ask for, complain about or hit, and the test that proves each of it here."""

from __future__ import annotations

import ast
import os
import socket
from functools import lru_cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

# Number, what was asked, and the tests that cover it.
DEMANDS = {
    1: (
        "words are neither split nor glued",
        ["inference/test_tagger.py::test_words_are_not_split_or_glued_with_sentencepiece_tokenizers"],
    ),
    2: (
        "pre-tokenised input is first class",
        [
            "inference/test_tagger.py::test_pretokenised_input_is_first_class",
            "inference/test_tagger.py::test_words_and_raw_text_get_the_same_tags",
        ],
    ),
    3: (
        "input is never guessed",
        [
            "inference/test_tagger.py::test_input_is_never_guessed",
            "inference/test_tagger.py::test_one_answer_for_each_input_and_empty_input_gives_an_empty_answer",
            "inference/test_inputs.py::test_the_kind_is_said_by_option_or_extension_never_guessed",
        ],
    ),
    4: (
        "no silent truncation",
        [
            "inference/test_tagger.py::test_no_silent_truncation",
            "hub/test_card.py::test_the_limit_is_said_in_tokens",
            "evaluation/test_evaluate.py::test_every_word_is_scored_and_only_the_plain_figure_cuts_long_sentences",
        ],
    ),
    5: (
        "overlapping windows and their seams",
        [
            "inference/test_tagger.py::test_entity_on_a_window_seam",
            "inference/test_tagger.py::test_overlap_is_checked_against_the_real_window",
        ],
    ),
    6: (
        "label order of model and data may differ",
        [
            "evaluation/test_evaluate.py::test_label_order_of_corpus_and_model_does_not_matter",
            "data/test_corpora.py::test_label_order_of_a_permuted_corpus_does_not_matter",
        ],
    ),
    7: (
        "labels passed as strings get a message",
        [
            "inference/test_tagger.py::test_batch_and_labels_are_checked",
            "test_labels.py::test_label_numbers_and_a_bare_string_are_refused",
            "data/test_readers.py::test_unknown_tag_of_a_known_corpus",
        ],
    ),
    8: (
        "sub-word labels do not falsify the score",
        [
            "data/test_rows.py::test_labels_lie_on_first_subwords_only",
            "training/test_trainer.py::test_evaluation_scores_every_word_of_every_sentence",
        ],
    ),
    9: (
        "words that vanish shift nothing",
        [
            "data/test_encoding.py::test_words_that_vanish_in_tokenisation_keep_their_place",
            "inference/test_tagger.py::test_vanishing_words_keep_their_place",
        ],
    ),
    10: (
        "offline works",
        [
            "systems/test_tsl.py::test_one_teacher_serves_two_targets_and_nothing_leaves_the_machine",
            "test_user_demands.py::test_tests_are_offline_and_any_way_out_fails_them",
            "hub/test_card.py::test_a_card_needs_neither_the_network_nor_the_corpora",
        ],
    ),
    11: (
        "the metric needs no network",
        ["evaluation/test_metrics.py::test_the_evaluate_module_needs_no_network"],
    ),
    12: ("corpora without loading scripts", ["data/test_corpora.py::test_no_loading_script_is_needed"]),
    13: (
        "custom CoNLL files just work",
        [
            "data/test_readers.py::test_custom_conll_files_just_work",
            "data/test_readers.py::test_bad_input_gets_one_line_with_file_line_and_remedy",
        ],
    ),
    14: (
        "padding in the distillation loss",
        [
            "losses/test_losses.py::test_padding_in_the_distillation_loss_changes_nothing",
            "training/test_trainer.py::test_padding_changes_neither_loss_nor_gradient_of_a_real_model",
        ],
    ),
    15: (
        "teacher and student see different inputs",
        ["training/test_fit.py::test_teacher_and_student_with_different_tokenizers_distil_word_by_word"],
    ),
    16: (
        "label sets of teacher and student",
        [
            "data/test_label_maps.py::test_label_sets_of_teacher_and_corpus_are_compared_by_name",
            "systems/test_bad_input.py::test_bad_input_gets_one_line",
        ],
    ),
    17: (
        "teacher outputs are computed once",
        ["systems/test_tsl.py::test_teacher_outputs_are_computed_once_and_shared_by_the_variants"],
    ),
    18: (
        "gradient accumulation multiplies no loss",
        ["training/test_trainer.py::test_gradient_accumulation_is_exact"],
    ),
    19: (
        "evaluation under several processes",
        ["systems/test_processes_end_to_end.py::test_evaluation_on_two_processes_equals_one"],
    ),
    20: (
        "evaluation does not run out of memory",
        [
            "training/test_trainer.py::test_evaluation_keeps_tags_and_not_probabilities",
            "inference/test_tagger.py::test_memory_of_a_stream_is_flat",
        ],
    ),
    21: (
        "custom code is pushed and loaded back",
        [
            "hub/test_push.py::test_a_model_that_travels_with_its_code_is_loaded_as_its_card_says",
            "hub/test_push.py::test_the_research_model_loads_with_its_code_from_its_folder",
            "hub/test_push.py::test_a_stranger_loads_the_model_and_runs_its_card_where_hf_xner_is_not_installed",
        ],
    ),
    22: (
        "ONNX and int8 that can be trusted",
        [
            "inference/test_onnx.py::test_any_batch_and_length_gives_the_models_logits",
            "inference/test_onnx.py::test_int8_keeps_f1_and_says_so_beside_the_model",
            "inference/test_onnx.py::test_int8_spares_more_until_f1_holds_and_gives_up_otherwise",
            "inference/test_onnx.py::test_a_trained_tagger_keeps_its_f1_in_int8",
            "hub/test_export_card.py::test_the_worst_drop_of_each_graph_is_told_beside_all_figures",
        ],
    ),
    23: (
        "the parts of the loss are seen",
        [
            "training/test_trainer.py::test_parts_of_the_loss_are_logged_and_sum_to_it",
            "training/test_history.py::test_plot_shows_the_parts_of_the_loss",
        ],
    ),
    24: (
        "numbers can be reproduced, and by class",
        [
            "systems/test_tsl.py::test_results_say_how_they_came_about",
            "systems/test_tsl.py::test_a_second_seed_gets_a_teacher_and_a_student_of_its_own",
            "systems/test_resume.py::test_killed_at_every_stage_and_started_again_it_ends_with_the_same_figures",
            "evaluation/test_metrics.py::test_macro_and_per_type_figures_stand_beside_micro",
        ],
    ),
    25: (
        "scores to threshold on",
        [
            "inference/test_tagger.py::test_scores_can_be_thresholded",
            "evaluation/test_calibration.py::test_scores_to_threshold_on_temperature_is_recovered_and_the_error_falls",
            "hub/test_card.py::test_calibration_is_said_and_left_out_where_there_was_none",
            "review/test_figures.py::test_scores_are_held_against_the_truth",
        ],
    ),
}


@lru_cache
def functions_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("number", DEMANDS, ids=lambda number: f"{number}: {DEMANDS[number][0]}")
def test_users_asked(number: int):
    asked, covering = DEMANDS[number]
    assert asked and covering
    for test in covering:
        path, _, function = test.partition("::")
        assert function in functions_of(TESTS / path), f"demand {number} ({asked}): there is no test {test}"


def test_every_demand_of_this_release_has_a_test():
    assert set(DEMANDS) == {*range(1, 26)}


def test_tests_are_offline_and_any_way_out_fails_them():
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    with socket.socket() as way_out, pytest.raises(AssertionError, match="tried to reach"):
        way_out.connect(("192.0.2.1", 443))
