"""Augmented fine-tuning: a BiLSTM-CRF over mapped word vectors, no pretrained encoder (Bari et al., AAAI 2020).

    mapping  W    = map(source vectors, target vectors)                         B1
    features      = both languages' words in one space, and characters          B2
    theta_s       = train(BiLSTM-CRF, features, source)                         B3
    repeat until the development score no longer rises:
        l         = a random sentence length
        labels    = theta_s's tags of target sentences of at most l words       B4
        theta_s,t = train jointly: gold source tags, pseudo labels twice        B5
    scores        = theta_t, Viterbi, IOB2                                      B6

Variants, by the rows of the paper's tables (`_no_char`: without characters):

    supervised          table 2: the target's own tags and vectors, an upper bound
    source_mono         table 3, "monolingual": each language's own vectors; source_mono_no_char
    source_mono_random  table 3, "random": a random vector a word; source_mono_random_no_char
    cross_word          table 4: mapped vectors; cross_word_no_char
    cross_shared        table 4: and both directions of the LSTMs tied; cross_shared_no_char (German as published)
    cross_augmented     table 4: the whole; begins with the model that --augment_from names
    distilled           with --distil_to: a plain encoder that learns the best variant's probabilities (tsl's stage)

The source is mapped into the target's space, or with `--mapped target` the target into the source's (as published for
Arabic and Finnish, and `--scheme iob2` for Arabic). `--select_on` gives the paper's three rules: target_dev,
source_dev, and target_test, an oracle. With source_dev cross_augmented is chosen, and its training ended, by theta_s
alone: source sentences are not the target encoder's to read, so no score sees what theta_t is worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hf_xner.errors import InputError
from hf_xner.labels import entity_types
from hf_xner.systems.arguments import learning_rate
from hf_xner.systems.augmented_arguments import AUGMENTED, DISTILLED, SETUPS, SUPERVISED_BOUND, Arguments, Setup
from hf_xner.systems.augmented_stages import augment_tagger, label_in_iob2, train_source_tagger
from hf_xner.systems.augmented_vectors import Features, VectorSources
from hf_xner.systems.tagger_stages import TrainedTagger, distil_tagger, settings_for
from hf_xner.systems.workspace import Workspace
from hf_xner.training.pseudo_labels import threshold_bounds
from hf_xner.training.word_sentences import check_lengths
from hf_xner.translation.mapping import Side

__all__ = ["BASELINE", "PREFERENCE", "Arguments", "build", "known_types"]

PREFERENCE = (DISTILLED, AUGMENTED, *reversed(SETUPS), SUPERVISED_BOUND)
BASELINE = "source_mono"


def known_types(space: Workspace) -> tuple[list[str], str]:
    """The source's entity types, and what to call their tagger; refuses what would only show hours later."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    source = space.labelled(arguments.source[0], "train")
    check_lengths(source.data, arguments.longest_sentence, "source")
    if AUGMENTED in arguments.variants:
        lengths = check_lengths(space.target_text.data, arguments.longest_sentence, "target")
        threshold_bounds(lengths, arguments.joint_settings(arguments.seeds[0], False))
    VectorSources(space).check(arguments.vector_kinds)
    if arguments.distil_to is not None:
        _check_encoder(space.with_encoder(arguments.distil_to).encoder)
    return entity_types(source.tag_names), f"a tagger trained on {source.spec}"


def _check_encoder(name: str) -> None:
    """Refuse what is no model, by its configuration."""
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise InputError(
            "no encoder could be loaded",
            where=f"--distil_to {name}",
            remedy="give a folder, a Hub id, or the built-in xner-mini",
        ) from error


def build(space: Workspace, seed: int) -> dict[str, TrainedTagger]:
    """Everything that one seed makes: a tagger for each variant asked for."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    if SUPERVISED_BOUND in arguments.variants:
        space.labelled(arguments.target, "train")  # a target without tags is refused before anything trains
    models = _Models(space, seed)
    makers: dict[str, Callable[[], TrainedTagger]] = {
        AUGMENTED: models.cross_augmented,
        SUPERVISED_BOUND: models.supervised,
    }
    taggers = {
        variant: makers[variant]() if variant in makers else models.source_tagger(variant)
        for variant in arguments.variants
    }
    if arguments.distil_to is not None:
        best = next(variant for variant in PREFERENCE if variant in taggers)
        taggers[DISTILLED] = _distil(space, seed, taggers[best], best)
    return taggers


class _Models:
    """The models of one seed, by the paper's stages; what seeds share is made once by the store.

    Args:
        space: The workspace.
        seed: The seed.
    """

    def __init__(self, space: Workspace, seed: int) -> None:
        assert isinstance(space.arguments, Arguments)
        self.space = space
        self.arguments = space.arguments
        self.vectors = VectorSources(space)
        self.seed = seed
        self.source = space.labelled(self.arguments.source[0], "train")
        # The paper chooses every row of its table 4 by the same rule, so source models are no exception here.
        self.dev = space.selection_set("student")
        self.dev_language: Side = "target" if self.arguments.select_on.startswith("target") else "source"

    def source_tagger(self, variant: str) -> TrainedTagger:
        """theta_s of a one-encoder variant (B3)."""
        setup = SETUPS[variant]
        return train_source_tagger(
            self.space,
            f"{variant}, seed {self.seed}",
            self.features(setup.vectors),
            self.source,
            self.arguments.tagger_settings(self.seed, setup, self.dev is not None),
            dev=self.dev,
            dev_language=self.dev_language,
        )

    def cross_augmented(self) -> TrainedTagger:
        """theta_t (B4 and B5)."""
        return augment_tagger(
            self.space,
            f"{AUGMENTED}, seed {self.seed}",
            self.source_tagger(self.arguments.augment_from),
            self.features("mapped"),
            self.source,
            self.space.target_text,
            self.arguments.joint_settings(self.seed, self.dev is not None),
            dev=self.dev,
            dev_language=self.dev_language,
        )

    def supervised(self) -> TrainedTagger:
        """The upper bound: the target's own tags, chosen on the target's own development set if at all."""
        dev = self.dev if self.dev_language == "target" else None
        return train_source_tagger(
            self.space,
            f"{SUPERVISED_BOUND}, seed {self.seed}",
            self.features("monolingual"),
            self.space.labelled(self.arguments.target, "train"),
            self.arguments.tagger_settings(self.seed, Setup("monolingual"), dev is not None),
            language="target",
            dev=dev,
            dev_language="target",
        )

    def features(self, vectors: str) -> Features:
        """What the words of both languages look like to a model (B1 and B2)."""
        return self.vectors.features(vectors, self.source, self.space.target_text)


def _distil(space: Workspace, seed: int, teacher: TrainedTagger, variant: str) -> TrainedTagger:
    """A plain encoder that learns the BiLSTM-CRF's probabilities on the target text (tsl's student)."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments) and arguments.distil_to is not None
    other = space.with_encoder(arguments.distil_to)
    dev = space.selection_set("student", epochs=arguments.student_epochs)
    rate = learning_rate(arguments.student_learning_rate, arguments.distil_to, "student", 1e-4)
    settings = replace(
        settings_for(other, seed, rate, arguments.student_epochs, dev is not None),
        batch_size=arguments.student_batch_size,
        micro_batch_size=min(arguments.student_batch_size, arguments.micro_batch_size),
        max_grad_norm=1.0,
    )
    soft_labels = label_in_iob2(space, f"soft labels of {variant}, seed {seed}", teacher, space.target_text)
    return distil_tagger(other, f"{DISTILLED} student, seed {seed}", space.target_text, soft_labels, settings, dev=dev)
