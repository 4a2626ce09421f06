"""Orthogonal mappings between two spaces of word vectors: learnt, judged, kept.

Either side can be the one that moves (Bari et al. map Arabic and Finnish, the targets, into English).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.adversarial import AdversarialSettings, train_adversarial
from hf_xner.translation.convergence import judge, random_rotation
from hf_xner.translation.files import whole_folder
from hf_xner.translation.held_out import check_pairs
from hf_xner.translation.principal import train_on_components
from hf_xner.translation.refinement import SUPERVISED, Refined, Refinement, Refiner
from hf_xner.translation.seeds import SeedPairs
from hf_xner.translation.vectors import WordVectors, normalised

Side = Literal["source", "target"]
FACTS_FILE = "mapping.json"
MATRIX_FILE = "mapping.safetensors"


@dataclass(frozen=True)
class Mapping:
    """An orthogonal mapping of one language's vectors into the other's space.

    Attributes:
        matrix: W, (d, d) float32: x -> W x.
        mapped: The side whose vectors W is applied to.
        criterion: Unsupervised criterion: mean cosine of frequent words with their translations.
        converged: False when nothing shows that the mapping is more than noise. Folders of old say True of every
            mapping from pairs.
        facts: How it was learnt: method, settings, seeds, history, vectors' names and digests; JSON.
    """

    matrix: np.ndarray
    mapped: Side
    criterion: float
    converged: bool
    facts: dict[str, Any] = field(default_factory=dict)

    def common_space(self, source: WordVectors, target: WordVectors) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors of both languages in one space: (V_s, d) and (V_t, d).

        Vectors as they were loaded are normalised first, as those were that the mapping was learnt from.
        """
        if {source.width, target.width} != {len(self.matrix)}:
            raise InputError(
                f"a mapping of {len(self.matrix)} components for vectors of {source.width} and {target.width}",
                remedy="use the vectors it was learnt from",
            )
        source, target = (
            vectors.normalise(self.facts.get(side, {}).get("normalise", ()))
            if "normalise" not in vectors.origin
            else vectors
            for side, vectors in (("source", source), ("target", target))
        )
        moved = normalised((source if self.mapped == "source" else target).vectors @ self.matrix.T)
        still = normalised((target if self.mapped == "source" else source).vectors)
        return (moved, still) if self.mapped == "source" else (still, moved)

    def require_converged(self) -> None:
        """Refuse to go on with noise.

        Raises:
            InputError: The mapping has not converged.
        """
        if not self.converged:
            raise _unconverged(
                self.facts.get("verdict", {}).get("reason", "no verdict"),
                self.facts.get("folder", "mapping"),
                adversarial=self.facts.get("method") == "adversarial",
            )

    def save(self, folder: str | Path) -> None:
        """Write matrix and facts into a folder, whole or not at all; an older mapping there is replaced.

        Raises:
            InputError: The folder holds something else.
        """
        from safetensors.numpy import save_file

        facts = {"mapped": self.mapped, "criterion": self.criterion, "converged": self.converged, **self.facts}
        with whole_folder(Path(folder), FACTS_FILE) as aside:
            save_file({"matrix": np.ascontiguousarray(self.matrix)}, aside / MATRIX_FILE)
            (aside / FACTS_FILE).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Mapping:
        """Read what `save` wrote.

        Raises:
            InputError: The folder holds no mapping.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = Path(folder)
        try:
            facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
            matrix = load_file(folder / MATRIX_FILE)["matrix"]
            values = [facts.pop(name) for name in ("mapped", "criterion", "converged")]
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise InputError(
                f"holds no mapping ({error})", where=str(folder), remedy="make one with `xner vectors map`"
            ) from None
        return cls(matrix, values[0], float(values[1]), bool(values[2]), {**facts, "folder": str(folder)})


def learn_from_pairs(
    source: WordVectors,
    target: WordVectors,
    seed: SeedPairs,
    *,
    settings: Refinement = SUPERVISED,
    mapped: Side = "source",
    validation: SeedPairs | None = None,
    accept_failure: bool = False,
) -> Mapping:
    """Map with a seed dictionary: Procrustes on it, then refinement; and tell whether that is better than noise.

    Whether it is, a mapping tells that some of the pairs were held out from; see `hf_xner.translation.held_out`. The
    mapping that is returned is then learnt from all pairs.

    Args:
        source: Source vectors, raw.
        target: Target vectors, raw, of the same width.
        seed: Word pairs (`identical_pairs` or `read_pairs`).
        settings: Settings of the refinement (UniTrans: 3 rounds).
        mapped: The side that moves.
        validation: Pairs whose P@1 chooses the best round; by default the unsupervised criterion does.
        accept_failure: Return a mapping that has not converged, marked so, instead of raising.

    Returns:
        The best mapping of all rounds.

    Raises:
        InputError: The widths differ, the seed is empty, too few pairs that were held out are found again, or there
            are too few pairs to tell.
    """
    refiner = _refiner(source, target, settings, mapped, validation)
    pairs = seed.oriented(mapped)
    verdict = check_pairs(refiner.moving, refiner.fixed, pairs, settings)
    if not (verdict.converged or accept_failure):
        raise _unconverged(verdict.reason, adversarial=False)
    best = refiner.refine(refiner.solve(pairs), len(pairs))
    facts = _facts(source, target, settings) | {
        "method": seed.origin,
        "seed_pairs": len(pairs),
        "history": best.history,
        "selected_by": "criterion" if validation is None else "precision",
        "verdict": {**asdict(verdict), "solved_again_on_all_pairs": True},
    }
    return Mapping(best.matrix, mapped, best.criterion, verdict.converged, facts)


def learn_adversarially(
    source: WordVectors,
    target: WordVectors,
    *,
    adversarial: AdversarialSettings | None = None,
    settings: Refinement | None = None,
    seeds: Sequence[int] = (0,),
    mapped: Side = "source",
    accept_failure: bool = False,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Mapping:
    """Map without any dictionary: adversarial runs, each refined; the best by criterion, if it is better than noise.

    Nothing is learnt from strings, but shared ones serve to judge what was learnt; see
    `hf_xner.translation.convergence`.

    Args:
        source: Source vectors, raw.
        target: Target vectors, raw, of the same width.
        adversarial: Settings of the adversarial phase.
        settings: Settings of the refinement.
        seeds: One run a seed.
        mapped: The side that moves.
        accept_failure: Return a mapping that has not converged, marked so, instead of raising.
        on_epoch: Called after each epoch with its facts (`seed`, `epoch`, `criterion`, ...).

    Returns:
        The best mapping.

    Raises:
        InputError: No run converged (the message holds the criteria), or the widths differ.
    """
    adversarial, settings = adversarial or AdversarialSettings(), settings or Refinement()
    if not seeds:
        raise InputError("no seeds", where="--seeds", remedy="give at least one")
    if min(seeds) < 0:
        raise InputError(f"{min(seeds)} is less than 0", where="--seeds")
    refiner = _refiner(source, target, settings, mapped, None)
    runs: list[dict[str, Any]] = []
    refined: list[Refined] = []
    train = train_adversarial if adversarial.components is None else train_on_components
    for seed in seeds:
        report = None if on_epoch is None else (lambda facts, seed=seed: on_epoch({"seed": seed, **facts}))
        run = train(refiner, adversarial, seed, report)
        refined.append(refiner.refine(run.matrix))
        runs.append({"seed": seed, "epochs": run.epochs, "refinement": refined[-1].history})
    floor = refiner.refine(random_rotation(source.width, seed=min(seeds)))
    best = max(refined, key=lambda solution: solution.criterion)
    verdict = judge(refined, floor, _shared(source, target, settings.criterion_words, mapped))
    facts = _facts(source, target, settings) | {
        "method": "adversarial",
        "adversarial": asdict(adversarial),
        "runs": runs,
        "verdict": asdict(verdict),
    }
    mapping = Mapping(best.matrix, mapped, best.criterion, verdict.converged, facts)
    if not accept_failure:
        mapping.require_converged()
    return mapping


def _unconverged(reason: str, where: str = "mapping", *, adversarial: bool) -> InputError:
    vectors = "larger vectors from more similar texts"
    remedy = f"try other seeds, more updates, {vectors}, or a seed dictionary"
    if not adversarial:
        remedy = f"give a larger seed dictionary, or {vectors}"
    return InputError(f"the mapping has not converged ({reason})", where=where, remedy=remedy)


def _shared(source: WordVectors, target: WordVectors, n_words: int, mapped: Side) -> np.ndarray:
    """(n, 2) rows, moving and fixed, of the frequent moving words that the other side has too."""
    moving, fixed = (source, target) if mapped == "source" else (target, source)
    rows = [(row, fixed.index[word]) for row, word in enumerate(moving.words[:n_words]) if word in fixed.index]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def _refiner(
    source: WordVectors, target: WordVectors, settings: Refinement, mapped: Side, validation: SeedPairs | None
) -> Refiner:
    if mapped not in ("source", "target"):
        raise InputError(f"{mapped!r} is no side", where="--mapped", remedy="say source or target")
    if source.width != target.width:
        raise InputError(
            f"vectors of {source.width} and of {target.width} components cannot be mapped orthogonally",
            where=f"{source.name}, {target.name}",
            remedy="train or fetch vectors of one width",
        )
    moving, fixed = (source, target) if mapped == "source" else (target, source)
    pairs = None if validation is None else validation.oriented(mapped)
    return Refiner(moving.vectors, fixed.vectors, settings, pairs)


def _facts(source: WordVectors, target: WordVectors, settings: Refinement) -> dict[str, Any]:
    return {
        **{
            side: {"name": vectors.name, "words": len(vectors), "digest": vectors.digest(), **vectors.origin}
            for side, vectors in (("source", source), ("target", target))
        },
        "refinement": asdict(settings),
    }
