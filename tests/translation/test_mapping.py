"""Tests for Procrustes, refinement, adversarial mapping and what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hf_xner.errors import InputError
from hf_xner.translation.adversarial import AdversarialSettings, _Game, _Schedule, train_adversarial
from hf_xner.translation.convergence import judge, random_rotation
from hf_xner.translation.dictionary import build_dictionary, evaluate_mapping, write_dictionary
from hf_xner.translation.held_out import MOST, SHARE, split
from hf_xner.translation.mapping import Mapping, learn_adversarially, learn_from_pairs
from hf_xner.translation.refinement import Refined, Refinement, Refiner, procrustes
from hf_xner.translation.seeds import SeedPairs, dictionary_pairs, identical_pairs, read_dictionary
from hf_xner.translation.vectors import WordVectors

SMALL = AdversarialSettings(epochs=2, updates=250, hidden=256, beta=0.01, rate=0.3)
REFINE = Refinement(rounds=3, max_rank=1000, criterion_words=800)


def right_share(translations: dict[str, str]) -> float:
    """Share of `s17 -> t17`, and `shared5 -> shared5`."""
    return float(np.mean([found in (word, word.replace("s", "t", 1)) for word, found in translations.items()]))


def test_procrustes_finds_the_rotation(rotation: np.ndarray) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 20)).astype(np.float32)
    np.testing.assert_allclose(procrustes(rows, rows @ rotation.T), rotation, atol=1e-5)


@pytest.mark.parametrize("dictionary", ["mutual", "forward"])
def test_identical_strings_recover_the_rotation(like_spaces, rotation, dictionary) -> None:
    source, target = like_spaces
    seed = identical_pairs(source, target)
    assert len(seed.rows) == 120
    settings = Refinement(rounds=3, dictionary=dictionary, max_rank=1000, criterion_words=800)
    mapping = learn_from_pairs(source, target, seed, settings=settings)
    np.testing.assert_allclose(mapping.matrix, rotation, atol=0.02)
    assert right_share(build_dictionary(source, target, mapping)) > 0.95
    assert mapping.facts["seed_pairs"] == 120 and len(mapping.facts["history"]) == 4
    assert mapping.facts["history"][0]["pairs"] == 120, "held out for the check alone"
    verdict = mapping.facts["verdict"]
    assert mapping.converged and verdict["words"] == 24 and verdict["precision"] > 0.9


def test_either_side_can_move(like_spaces, rotation) -> None:
    source, target = like_spaces
    mapping = learn_from_pairs(source, target, identical_pairs(source, target), settings=REFINE, mapped="target")
    np.testing.assert_allclose(mapping.matrix, rotation.T, atol=0.02)
    ours, theirs = mapping.common_space(source, target)
    assert ours.shape == theirs.shape
    assert right_share(build_dictionary(source, target, mapping)) > 0.95


def test_refinement_improves_a_poor_seed(like_spaces) -> None:
    source, target = like_spaces
    seed = identical_pairs(source, target)
    poor = SeedPairs(np.concatenate([seed.rows[:25], np.array([[i, i + 9] for i in range(1, 12)])]), "poor")
    mapping = learn_from_pairs(source, target, poor, settings=REFINE)
    history = [entry["criterion"] for entry in mapping.facts["history"]]
    assert mapping.criterion == max(history) > history[0]


def test_selection_by_precision(like_spaces, tmp_path: Path) -> None:
    source, target = like_spaces
    pairs = {word: word.replace("s", "t", 1) for word in source.words if word[1].isdigit()}
    write_dictionary(pairs, tmp_path / "gold.tsv")
    validation = dictionary_pairs(tmp_path / "gold.tsv", source, target)
    mapping = learn_from_pairs(source, target, identical_pairs(source, target), settings=REFINE, validation=validation)
    assert mapping.facts["selected_by"] == "precision"
    assert all(0.9 < entry["value"] <= 1 for entry in mapping.facts["history"])
    accuracy = evaluate_mapping(source, target, mapping, tmp_path / "gold.tsv")
    assert accuracy.precision[1] > 0.95 and accuracy.precision[5] >= accuracy.precision[1]
    assert (accuracy.queries, accuracy.missing) == (1080, 0)


def test_precision_is_counted_by_hand(tmp_path: Path) -> None:
    source = WordVectors(["a", "b", "c"], np.eye(3, dtype=np.float32))
    target = WordVectors(["x", "y", "z"], np.eye(3, dtype=np.float32))
    (tmp_path / "d.txt").write_text("a x\na q\nb z\nc\tz\nnone x\n", encoding="utf-8")
    identity = Mapping(np.eye(3, dtype=np.float32), "source", 0.0, True)
    accuracy = evaluate_mapping(source, target, identity, tmp_path / "d.txt", at=(1, 3), neighbours=1)
    assert accuracy.precision == {1: pytest.approx(2 / 3), 3: 1.0}
    assert (accuracy.queries, accuracy.missing) == (3, 1)
    (tmp_path / "d.txt").write_text("q r\n", encoding="utf-8")
    with pytest.raises(InputError, match="no entry has vectors on both sides"):
        evaluate_mapping(source, target, identity, tmp_path / "d.txt")


def test_adversarial_mapping_recovers_the_rotation(turned_spaces) -> None:
    source, target = turned_spaces
    told: list[dict[str, float]] = []
    mapping = learn_adversarially(source, target, adversarial=SMALL, settings=REFINE, seeds=(0,), on_epoch=told.append)
    assert mapping.converged
    assert right_share(build_dictionary(source, target, mapping)) > 0.9
    assert [(entry["seed"], entry["epoch"]) for entry in told] == [(0, 1), (0, 2)]
    json.dumps(mapping.facts)
    # Refinement alone does not get there.
    refiner = Refiner(source.vectors, target.vectors, REFINE)
    unaided = refiner.refine(np.eye(8, dtype=np.float32))
    assert np.mean(unaided.translations == np.arange(600)) < 0.6


def test_unlike_spaces_do_not_converge(unlike_spaces) -> None:
    source, target = unlike_spaces
    short = AdversarialSettings(epochs=1, updates=150, hidden=64, most_frequent=1200, beta=0.01)
    with pytest.raises(InputError, match=r"the mapping has not converged \(criterion 0\.\d+, 0\.\d+; .* needed, or"):
        learn_adversarially(source, target, adversarial=short, settings=REFINE, seeds=(0, 1))
    noise = learn_adversarially(source, target, adversarial=short, settings=REFINE, accept_failure=True)
    assert not noise.converged
    with pytest.raises(InputError, match="has not converged"):
        build_dictionary(source, target, noise)


def test_seeds_between_unlike_spaces_do_not_converge(unlike_spaces) -> None:
    """Refinement fits noise: only pairs that the mapping has not seen tell it from a translation."""
    source, target = unlike_spaces
    names = [f"s{i}" if i % 4 else f"shared{i}" for i in range(len(source))]
    source, target = (
        WordVectors(
            [f"{side}{name}" if name[0] == "s" and name[1].isdigit() else name for name in names],
            vectors.vectors,
            vectors.name,
        )
        for side, vectors in (("a", source), ("b", target))
    )
    seed = identical_pairs(source, target)
    with pytest.raises(InputError, match=r"not converged \([0-3]\.\d% of 60 seed words held out .* 5% needed\)"):
        learn_from_pairs(source, target, seed, settings=REFINE)
    noise = learn_from_pairs(source, target, seed, settings=REFINE, accept_failure=True)
    assert not noise.converged and noise.criterion > 0.3
    with pytest.raises(InputError, match="has not converged .* seed words held out"):
        build_dictionary(source, target, noise)


def test_too_few_pairs_tell_nothing(unlike_spaces) -> None:
    source, target = unlike_spaces
    one = SeedPairs(np.array([[3, 5]]), "one")
    with pytest.raises(InputError, match="1 words in the seed are too few to hold some out .* 25 needed"):
        learn_from_pairs(source, target, one, settings=REFINE)
    mapping = learn_from_pairs(source, target, one, settings=REFINE, accept_failure=True)
    assert not mapping.converged and mapping.facts["verdict"]["words"] == 0


def test_vocabularies_that_overlap_in_part_converge(like_spaces) -> None:
    """A third of the words are unknown to the other side, the spaces are blurred, some strings are false friends."""
    source, target = like_spaces
    random = np.random.default_rng(3)
    blurred = target.vectors + 0.15 * random.standard_normal(target.vectors.shape).astype(np.float32)
    foreign = random.choice(len(target), 400, replace=False)
    words = list(target.words)
    for row in foreign:
        words[row] = f"u{row}"
    for row in foreign[:25]:
        words[row] = source.words[int(row)] if source.words[int(row)] not in words else words[row]
    theirs = WordVectors(words, blurred, "theirs.vec")
    seed = identical_pairs(source, theirs)
    assert 60 < len(seed.rows) < 120
    mapping = learn_from_pairs(source, theirs, seed, settings=REFINE)
    verdict = mapping.facts["verdict"]
    assert mapping.converged and verdict["words"] == len(seed.rows) // 5 and verdict["precision"] > verdict["needed"]


def test_the_words_of_a_pair_held_out_are_held_out_altogether() -> None:
    pairs = np.array([[word, word + shift] for word in range(3000) for shift in (0, 1)])[::-1]
    held, rest = split(pairs)
    assert len(np.unique(held[:, 0])) == MOST and len(held) == 2 * MOST and len(rest) == 6000 - 2 * MOST
    assert not set(held[:, 0]) & set(rest[:, 0]) and held.max() <= MOST * SHARE, "frequent words are held out"
    assert len(split(pairs[:40])[0]) == 8 and not len(split(pairs[:8])[0])


def test_shared_words_betray_noise(unlike_spaces) -> None:
    source, target = unlike_spaces
    renamed = WordVectors(source.words, target.vectors)
    short = AdversarialSettings(epochs=1, updates=50, hidden=16)
    with pytest.raises(InputError, match=r"0\.\d% of 800 shared words are their own translation, 10% needed"):
        learn_adversarially(source, renamed, adversarial=short, settings=REFINE)


def test_same_seed_same_run(like_spaces) -> None:
    source, target = like_spaces
    refiner = Refiner(source.vectors, target.vectors, REFINE)
    short = AdversarialSettings(epochs=1, updates=5, hidden=16)
    first, again, other = (train_adversarial(refiner, short, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert not np.array_equal(first.matrix, other.matrix)


def test_rate_falls_as_in_muse() -> None:
    schedule = _Schedule(AdversarialSettings())
    rates = []
    for criterion, best in [(0.5, 0.5), (0.4, 0.5), (0.4, 0.5), (0.6, 0.6)]:
        schedule.step(criterion, best)
        rates.append(schedule.rate)
    # The first epoch below the best is forgiven, the second halves the rate.
    np.testing.assert_allclose(rates, [0.098, 0.1 * 0.98**2, 0.1 * 0.98**3 / 2, 0.1 * 0.98**4 / 2])


def test_mapping_step_draws_back_to_orthogonal(like_spaces) -> None:
    source, target = like_spaces
    game = _Game(source.vectors, target.vectors, AdversarialSettings(hidden=8, beta=0.01))
    game.mapping.data.mul_(1.1)
    for _ in range(300):
        game._mapping_step(rate=0.0)
    np.testing.assert_allclose(game.matrix() @ game.matrix().T, np.eye(20), atol=1e-2)
    assert game.discriminator(game.moving[:3]).shape == (3, 1)
    assert game.targets.tolist()[::32] == pytest.approx([0.9, 0.1])


def refined(criterion: float, translations: list[int]) -> Refined:
    return Refined(np.eye(2), criterion, criterion, [], np.array(translations))


FEW, MANY = np.zeros((0, 2), np.int64), np.stack([np.arange(20)] * 2, axis=1)


@pytest.mark.parametrize(
    ("runs", "shared", "converged"),
    [
        ([refined(0.8, [1] * 20)], FEW, True),  # far above the floor
        ([refined(0.6, [1] * 20)], FEW, False),
        ([refined(0.55, [1] * 20), refined(0.54, [1] * 9 + [2] * 11)], FEW, True),  # two runs agree
        ([refined(0.55, [1] * 20), refined(0.54, [1] * 5 + [2] * 15)], FEW, False),
        ([refined(0.42, [1] * 20), refined(0.41, [1] * 20)], FEW, False),  # they agree on what chance finds too
        ([refined(0.8, [1] * 20), refined(0.8, [1] * 20)], MANY, False),  # shared words say otherwise
        ([refined(0.42, [0, 1, 2] + [50] * 17)], MANY, True),
        ([refined(0.8, [1] * 20)], MANY[:19], True),  # too few to say
    ],
)
def test_verdict(runs: list[Refined], shared: np.ndarray, converged: bool) -> None:
    verdict = judge(runs, refined(0.4, [7] * 20), shared)
    assert verdict.converged is converged
    assert "0.400 from a random rotation" in verdict.reason
    assert ("shared words are their own translation" in verdict.reason) == (len(shared) == 20)


def test_random_rotations_are_orthogonal() -> None:
    matrix = random_rotation(7, seed=1)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(7), atol=1e-6)


def test_save_and_load(like_spaces, tmp_path: Path) -> None:
    source, target = like_spaces
    mapping = learn_from_pairs(source, target, identical_pairs(source, target), settings=Refinement(rounds=0))
    mapping.save(tmp_path / "map")
    mapping.save(tmp_path / "map")  # an older one is replaced
    again = Mapping.load(tmp_path / "map")
    np.testing.assert_array_equal(again.matrix, mapping.matrix)
    assert (again.mapped, again.criterion, again.converged) == ("source", mapping.criterion, True)
    assert again.facts["source"]["digest"] == source.digest()
    assert [path.name for path in tmp_path.iterdir()] == ["map"]
    with pytest.raises(InputError, match="holds no mapping"):
        Mapping.load(tmp_path)
    (tmp_path / "map" / "mapping.json").write_text("{")
    with pytest.raises(InputError, match="holds no mapping"):
        Mapping.load(tmp_path / "map")


def test_unfit_input_is_refused(like_spaces) -> None:
    source, target = like_spaces
    narrow = WordVectors(target.words, target.vectors[:, :10], "narrow.vec")
    with pytest.raises(InputError, match="source.vec, narrow.vec: vectors of 20 and of 10 components"):
        learn_from_pairs(source, narrow, identical_pairs(source, target))
    foreign = WordVectors(["q"], target.vectors[:1], "foreign.vec")
    with pytest.raises(InputError, match="share no word, so identical strings give no seed; give a seed dictionary"):
        identical_pairs(source, foreign)
    with pytest.raises(InputError, match="a mapping of 3 components for vectors of 20 and 20"):
        Mapping(np.eye(3, dtype=np.float32), "source", 0.0, True).common_space(source, target)
    with pytest.raises(InputError, match="--seeds: no seeds"):
        learn_adversarially(source, target, seeds=())
    with pytest.raises(InputError, match="--epochs: 0 is too small"):
        AdversarialSettings(epochs=0)
    with pytest.raises(InputError, match="--max_rank: 0 is too small"):
        Refinement(max_rank=0)


def test_dictionary_files(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_text("the el\nthe\tla\n\nnew york\tnueva york\n", encoding="utf-8")
    assert list(read_dictionary(path)) == [("the", "el"), ("the", "la"), ("new york", "nueva york")]
    path.write_text("the el\nword\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"d.txt:2: expected a word and a translation, found 1 columns"):
        list(read_dictionary(path))
    tei = tmp_path / "d.tei"
    tei.write_text(
        '<TEI xmlns="http://www.tei-c.org/ns/1.0"><body><entry><form><orth>house</orth></form><sense>'
        '<cit type="trans"><quote>casa</quote></cit><cit type="example"><quote>x</quote>'
        '<cit type="trans"><quote>y</quote></cit></cit></sense></entry>'
        "</body></TEI>",
        encoding="utf-8",
    )
    assert list(read_dictionary(tei)) == [("house", "casa")]
    tei.write_text("<TEI><entry>", encoding="utf-8")
    with pytest.raises(InputError, match="is no TEI dictionary"):
        list(read_dictionary(tei))


def test_normalisation_takes_a_common_direction_away(like_spaces) -> None:
    """What all vectors of one side share says nothing of a word, and hides the rotation from Procrustes."""
    source, target = like_spaces
    shifted = WordVectors(target.words, target.vectors + 40 * np.eye(1, target.width, dtype=np.float32), target.name)
    steps = ["renorm", "center", "renorm"]
    shares = []
    for chosen in ([], steps):
        ours, theirs = source.normalise(chosen), shifted.normalise(chosen)
        mapping = learn_from_pairs(ours, theirs, identical_pairs(ours, theirs), settings=Refinement(rounds=0))
        shares.append(right_share(build_dictionary(source, shifted, mapping)))
    assert shares[1] > 0.9 > 0.6 > shares[0]


def test_normalised_rows_have_length_one_and_no_common_part(like_spaces) -> None:
    centred = like_spaces[0].normalise(["renorm", "center"])
    assert np.abs(centred.vectors.mean(axis=0)).max() < 1e-6
    assert np.allclose(np.linalg.norm(centred.normalise(["renorm"]).vectors, axis=1), 1)
    assert centred.normalise(["renorm"]).origin["normalise"] == ["renorm", "center", "renorm"]
    assert like_spaces[0].normalise([]) is like_spaces[0]
    with pytest.raises(InputError, match="renorm, center"):
        like_spaces[0].normalise(["whiten"])


def test_a_mapping_of_normalised_vectors_fits_vectors_as_they_are_loaded(like_spaces, tmp_path: Path) -> None:
    steps = ["renorm", "center", "renorm"]
    ours, theirs = (vectors.normalise(steps) for vectors in like_spaces)
    mapping = learn_from_pairs(ours, theirs, identical_pairs(ours, theirs), settings=REFINE)
    mapping.save(tmp_path / "mapping")
    loaded = Mapping.load(tmp_path / "mapping")
    assert loaded.facts["source"]["normalise"] == steps
    for given in (like_spaces, (ours, theirs)):
        for expected, found in zip(mapping.common_space(ours, theirs), loaded.common_space(*given), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)
