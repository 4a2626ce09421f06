"""TransAdv: four teachers from translated data against adversaries (Findings of EMNLP 2022), and AdvPicker (ACL 2021).

    A1   translated   = translate(source, word translator)                                  D_T
    A2   switched     = code-switch(source, translated)                                     D_S^swi, D_T^swi
    A3   shuffled     = shuffle(source), shuffle(translated)                                D_S^shu, D_T^shu
    A4   src          = train(encoder, source) against language and order, all corpora      Theta_src
    A5   entity       = train on(src, D_T and D_T^swi) against language, entity words       Theta_entity
    A6   context      = train on(src, D_T and D_S^swi) against language, other words        Theta_context
    A7   order        = train on(src, D_T and D_T^shu)                                      Theta_order
    A8   soft labels  = weighted mean of the four on the target text                        p_uni
    A9   student      = distil(encoder, target text, soft labels)                           Theta_stu
    A10  scores       = decode with tag constraints, score

Variants, by the rows of the paper's tables:

    transadv          TransAdv
    without_ldis      w/o LDIS, the discriminators of language, in A4 to A6
    without_odis      w/o ODIS, the discriminator of order, in A4
    without_entity    w/o Theta_entity: three teachers; likewise without_context and without_order
    without_mladv     w/o MLADV, the multi-level adversarial training: src = train(encoder, source)
    without_mmkd      w/o MMKD, the distillation of several models: a student of src alone

    src, entity, context, order    these teachers as they are
    mt                a tagger of the source alone, applied as it is (mBERT-FT)

    advpicker         AdvPicker: src = train(encoder, source) against language, source and target text; the 80 % of the
                      target text that is most language-independent; a student distilled from src on it
    tladv             its teacher as it is (mBERT-TLADV)

AdvPicker's program trains one teacher for three targets and distils from an ensemble of seeds; here each target and
each seed has its own.

`--variants all` is the whole table. The papers pick every model on the target's dev set: `--select_on target_dev
--teachers_like_student`; without the latter teachers are picked on the source's. The F1 that picks an epoch takes the
best tag of each word by itself, not the constrained (Viterbi) decoding that A10 scores with, too.

Words are translated by mapped vectors (`--mapping`, or `--source_vectors` and `--target_vectors`), a dictionary, a
translation model or Google (with `--strategy word`, `phrase` and `word_phrase`: the bars of Figure 4), or beforehand
(`--translated`).

There is no released program of TransAdv. Where the paper is silent AdvPicker's is followed; what neither settles has
an option: which corpora feed which loss of A4 (`--tagging_corpora`, `--language_corpora`, `--order_corpora`; real
target text is not among them), whether [CLS] and its kin have a language (`--positions`), what the adversarial losses
are means over (`--adversarial_mean`), whether persons are translated (`--keep_types`: PER stays, so that switching
codes leaves persons alone), words translated by several (`--several_words`), clipping (`--max_grad_norm`: none), the
weights of the teachers (`--teacher_weights`, equal over those that there are), and what A5 and A6 do without MLADV
(`--without_mladv`: discriminators start fresh).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from hf_xner.data.feeds import FEEDS, Feed
from hf_xner.systems.arguments import learning_rate
from hf_xner.systems.tagger_stages import TrainedTagger, distil_tagger, label_text, settings_for, train_tagger
from hf_xner.systems.transadv_arguments import MADE_WITHOUT_TRANSLATION, RECIPES, VARIANTS, Arguments, Recipe
from hf_xner.systems.transadv_stages import pick_sentences, shuffle_words, switch_codes, train_adversarially
from hf_xner.systems.translation_stages import translate_source
from hf_xner.systems.unitrans_stages import average_soft_labels
from hf_xner.systems.workspace import Labelled, Unlabelled, Workspace, joined
from hf_xner.training.adversarial_settings import AdversarialSettings
from hf_xner.training.settings import FitSettings

STUDENTS = tuple(variant for variant, recipe in RECIPES.items() if recipe.distils)
PREFERENCE = (*STUDENTS, "advpicker", "order", "context", "entity", "src", "tladv", "mt")
BASELINE = "mt"

__all__ = ["BASELINE", "PREFERENCE", "VARIANTS", "Arguments", "build"]


def build(space: Workspace, seed: int) -> dict[str, TrainedTagger]:
    """Everything that one seed makes: a tagger for each variant asked for."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    models = _Models(space, seed)
    for feed in arguments.feeds():
        models.corpora(feed)  # before anything trains, for a translation may fail or not fit
    taggers: dict[str, TrainedTagger] = {}
    for variant in arguments.variants:
        if variant in RECIPES:
            taggers[variant] = _transadv(models, variant, RECIPES[variant])
        else:
            taggers[variant] = _advpicker(models, variant)
    return taggers


def _transadv(models: _Models, variant: str, recipe: Recipe) -> TrainedTagger:
    """A1 to A10, or as much of it as the recipe needs."""
    if not recipe.distils:
        return models.teacher(recipe.teachers[0], recipe)
    space, seed = models.space, models.seed
    said = [
        label_text(space, f"soft labels of {models.name(who, recipe)}", models.teacher(who, recipe), space.target_text)
        for who in recipe.teachers
    ]
    weights = [models.arguments.weight(who) for who in recipe.teachers]
    united = average_soft_labels(
        space,
        f"united soft labels of {variant}, seed {seed}",
        space.target_text,
        said,
        weights=None if len(set(weights)) == 1 else weights,
    )
    settings, dev = models.student_settings(dropout=True)
    return distil_tagger(space, f"{variant} student, seed {seed}", space.target_text, united, settings, dev=dev)


def _advpicker(models: _Models, variant: str) -> TrainedTagger:
    """AdvPicker, or its teacher."""
    space, seed, arguments = models.space, models.seed, models.arguments
    positions = arguments.positions or "attended"
    settings, dev = models.teacher_settings()
    adversary = replace(models.adversary(FEEDS["advpicker"]), positions=positions)
    corpora: dict[str, Labelled | Unlabelled] = {"source": models.source, "target_text": space.target_text}
    teacher = train_adversarially(space, f"tladv, seed {seed}", corpora, settings, adversary, dev=dev)
    if variant == "tladv":
        return teacher
    text = pick_sentences(
        space, f"picked sentences, seed {seed}", teacher, space.target_text, arguments.picked_share, positions
    )
    labels = label_text(space, f"soft labels of picked sentences, seed {seed}", teacher, text)
    settings, dev = models.student_settings(dropout=False)
    return distil_tagger(space, f"advpicker student, seed {seed}", text, labels, settings, dev=dev)


class _Models:
    """The corpora and teachers of one seed, each made when first asked for and found in the store after that.

    Args:
        space: The workspace.
        seed: The seed.
    """

    def __init__(self, space: Workspace, seed: int) -> None:
        assert isinstance(space.arguments, Arguments)
        self.space, self.seed, self.arguments = space, seed, space.arguments
        self.source = space.labelled(self.arguments.source[0], "train")
        self._made: dict[str, TrainedTagger] = {}

    def teacher(self, who: str, recipe: Recipe) -> TrainedTagger:
        """Theta_src, Theta_entity, Theta_context or Theta_order."""
        name = self.name(who, recipe)
        if name not in self._made:
            self._made[name] = self._train(name, who, recipe)
        return self._made[name]

    def _train(self, name: str, who: str, recipe: Recipe) -> TrainedTagger:
        """A4 to A7."""
        feed = self.arguments.feed_of(who, recipe)
        start = None if who == "src" else self.teacher("src", recipe)
        corpora = self.corpora(feed)
        settings, dev = self.teacher_settings()
        if feed.adversarial:
            return train_adversarially(self.space, name, corpora, settings, self.adversary(feed), start=start, dev=dev)
        tagged = joined([corpus for corpus in map(corpora.get, feed.tagging) if isinstance(corpus, Labelled)])
        return train_tagger(self.space, name, tagged, settings, dev, start=start)

    def name(self, who: str, recipe: Recipe) -> str:
        """What people call a teacher: told apart where recipes make different ones."""
        lacks = [word for word, there in (("language", recipe.language), ("order", recipe.order)) if not there]
        without = "MLADV" if not recipe.mladv else " and ".join(lacks)
        return f"Theta_{who}{f' without {without}' if without else ''}, seed {self.seed}"

    @cached_property
    def translated(self) -> Labelled:
        """D_T (A1)."""
        return translate_source(self.space, "translation", self.source)

    def corpora(self, feed: Feed) -> dict[str, Labelled | Unlabelled]:
        """The corpora that a feed asks for (A1 to A3)."""
        names = set(feed.corpora)
        made: dict[str, Labelled | Unlabelled] = {"source": self.source}
        if "target_text" in names:
            made["target_text"] = self.space.target_text
        if names - MADE_WITHOUT_TRANSLATION:
            made["translated"] = self.translated
        if names & {"source_switched", "translated_switched"}:
            made["source_switched"], made["translated_switched"] = switch_codes(
                self.space, "code-switched", self.source, self.translated
            )
        for name in ("source", "translated"):
            corpus = made.get(name)
            if f"{name}_shuffled" in names and isinstance(corpus, Labelled):
                made[f"{name}_shuffled"] = shuffle_words(
                    self.space, f"shuffled {name}", corpus, self.arguments.shuffle_seed
                )
        return made

    def adversary(self, feed: Feed) -> AdversarialSettings:
        """What discriminates what, and at which rates."""
        arguments = self.arguments
        generator = arguments.generator_learning_rate
        return AdversarialSettings(
            feed,
            generator_learning_rate=self._teacher_rate() / 100 if generator is None else generator,
            discriminator_learning_rate=arguments.discriminator_learning_rate,
            momentum=arguments.adversarial_momentum,
            generator_step=arguments.generator_step,
            rows_per_corpus=arguments.adversarial_rows,
            positions=arguments.positions or "pieces",
            mean=arguments.adversarial_mean,
            order_discriminator=arguments.order_discriminator,
        )

    def _teacher_rate(self) -> float:
        return learning_rate(self.arguments.teacher_learning_rate, self.arguments.encoder, "teacher", 6e-5)

    def teacher_settings(self) -> tuple[FitSettings, Labelled | None]:
        """How teachers are trained, and where their best epoch is picked."""
        epochs = self.arguments.teacher_epochs
        role = "student" if self.arguments.teachers_like_student else "teacher"
        dev = self.space.selection_set(role, epochs=epochs)
        return settings_for(self.space, self.seed, self._teacher_rate(), epochs, dev is not None), dev

    def student_settings(self, *, dropout: bool) -> tuple[FitSettings, Labelled | None]:
        """How the student is distilled, and where its best epoch is picked; `dropout` is what its method does."""
        arguments = self.arguments
        dev = self.space.selection_set("student", epochs=arguments.student_epochs)
        rate = learning_rate(arguments.student_learning_rate, arguments.encoder, "student", 6e-5)
        settings = settings_for(self.space, self.seed, rate, arguments.student_epochs, dev is not None)
        given = arguments.student_dropout
        return replace(settings, dropout=dropout if given is None else given), dev
