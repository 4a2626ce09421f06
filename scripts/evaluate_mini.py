"""The table of the small encoder's card: entity F1 with every word scored, in English and without labels elsewhere.

    python scripts/evaluate_mini.py --encoders first=FOLDER new=runs/mini/encoder \
        --output runs/mini/table.json --split test
    python scripts/evaluate_mini.py --curve runs/mini/curve --output runs/mini/f1_curve.json --seeds 1

Each encoder is fine-tuned on CoNLL-2003 English and scored as it is on the other corpora; the last encoder has a twin
of its shape with random weights. The curve scores every encoder that `pretrain_mini.py` kept. Choose settings with
`--split validation` (the default), never on test sets. What is in `--output` already is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError

SOURCE = "conll2003:en"
TWIN = "random twin"


def parser() -> argparse.ArgumentParser:
    """The options."""
    usage, _, details = (__doc__ or "").partition("\n\n")
    result = argparse.ArgumentParser(
        description=usage, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = result.add_argument
    add("--encoders", nargs="*", default=[], metavar="NAME=FOLDER", help="encoders to compare")
    add("--curve", type=Path, help="folder of encoders step-<number>, for the learning curve")
    add("--output", type=Path, required=True, help="JSON file of scores, continued if it is there")
    add("--corpora", nargs="+", default=[SOURCE, "conll2002:es", "conll2002:nl"], help="corpora to score on")
    add("--data_dir", type=Path, help="folder with corpora")
    add("--split", choices=("validation", "test"), default="validation", help="split to score (%(default)s)")
    add("--seeds", nargs="+", type=int, default=[1, 2, 3], help="seeds of fine-tuning")
    add("--learning_rate", type=float, default=5e-4, help="(%(default)s)")
    add("--epochs", type=float, default=3.0, help="(%(default)s)")
    add("--freeze_layers", type=int, default=0, help="bottom layers frozen (%(default)s)")
    add("--freeze_embeddings", action="store_true", help="freeze the embeddings")
    add("--no_twin", action="store_true", help="leave out the random twin")
    return result


def named_encoders(options: argparse.Namespace, scratch: Path) -> dict[str, str]:
    """Encoders by the name they have in the table, the random twin of the last one added.

    Raises:
        InputError: There is none, or an entry is not NAME=FOLDER.
    """
    encoders: dict[str, str] = {}
    for entry in options.encoders:
        name, equals, folder = entry.partition("=")
        if not (name and equals and folder):
            raise InputError(f"'{entry}' is not NAME=FOLDER", where="--encoders")
        encoders[name] = folder
    if options.curve is not None:
        encoders |= {path.name: str(path) for path in sorted(options.curve.glob("step-*")) if path.is_dir()}
    if not encoders:
        raise InputError("nothing to evaluate", remedy="give --encoders or a --curve that holds encoders")
    if options.encoders and not options.no_twin:
        encoders[TWIN] = str(_random_twin(list(encoders.values())[-1], scratch / "twin"))
    return encoders


def _random_twin(encoder: str, folder: Path) -> Path:
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.from_pretrained(encoder)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return folder


def score(encoder: str, seed: int, options: argparse.Namespace, scratch: Path) -> dict[str, float]:
    """Fine-tune once and score.

    Returns:
        Entity F1 in percent for each corpus.
    """
    from hf_xner.data.corpora import load_corpus
    from hf_xner.evaluation.evaluate import evaluate_model
    from hf_xner.inference.device import local_device, native_bf16
    from hf_xner.inference.loading import load_tagger
    from hf_xner.training.fit import MODEL, fit
    from hf_xner.training.settings import FitSettings
    from hf_xner.training.trainer import tagging_loss

    settings = FitSettings(
        seed=seed,
        learning_rate=options.learning_rate,
        epochs=options.epochs,
        freeze_layers=options.freeze_layers,
        freeze_embeddings=options.freeze_embeddings,
        bf16=native_bf16(local_device()),
    )
    source = load_corpus(SOURCE, data_dir=options.data_dir)["train"]
    folder = Path(tempfile.mkdtemp(dir=scratch))
    fit(folder, encoder, source, source.features["ner_tags"].feature.names, settings, tagging_loss)
    model, tokenizer = load_tagger(str(folder / MODEL))
    scores = {}
    for spec in options.corpora:
        dataset = load_corpus(spec, data_dir=options.data_dir)[options.split]
        evaluation = evaluate_model(model, tokenizer, dataset, kinds=["tagger"], bf16=settings.bf16)
        scores[spec] = round(100 * float(evaluation.scores["tagger"].f1), 2)
    return scores


def table(results: list[dict[str, Any]], corpora: list[str]) -> str:
    """A Markdown table: an encoder a line, mean and standard deviation over seeds."""
    from hf_xner.evaluation.significance import summarise

    lines = ["| encoder | " + " | ".join(corpora) + " |", "|---" * (len(corpora) + 1) + "|"]
    for name in dict.fromkeys(result["encoder"] for result in results):
        cells = []
        for spec in corpora:
            known = [result["f1"] for result in results if result["encoder"] == name]
            summary = summarise([f1[spec] for f1 in known if spec in f1])
            spread = "" if summary.sd is None else f" ± {summary.sd:.1f}"
            cells.append(f"{summary.mean:.1f}{spread}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(options: argparse.Namespace) -> None:
    """Score what is missing, then print the table; an encoder that has changed under its name is scored again."""
    from hf_xner.model_digest import model_digest

    settings = {
        name: getattr(options, name)
        for name in ("split", "learning_rate", "epochs", "freeze_layers", "freeze_embeddings", "corpora")
    }
    stored = json.loads(options.output.read_text(encoding="utf-8")) if options.output.is_file() else []
    results = [result for result in stored if result["settings"] == settings]
    others = [result for result in stored if result["settings"] != settings]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        encoders = named_encoders(options, scratch)
        digests = {name: model_digest(folder, remedy="check --encoders") for name, folder in encoders.items()}
        wanted = []
        for seed in options.seeds:
            for encoder, folder in encoders.items():
                place = {"encoder": encoder, "digest": digests[encoder], "seed": seed}
                found = next((result for result in results if place.items() <= result.items()), None)
                if found is None:
                    found = place | {"f1": score(folder, seed, options, scratch), "settings": settings}
                    results.append(found)
                    _write(options.output, others + results)
                    print(encoder, seed, found["f1"], file=sys.stderr, flush=True)
                wanted.append(found)
    print(table(wanted, options.corpora))


def _write(path: Path, results: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)


def main() -> int:
    """Run; user errors give one line and exit code 2."""
    try:
        run(parser().parse_args())
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
