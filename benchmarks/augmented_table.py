"""The tables of augmented fine-tuning (Bari et al., AAAI 2020): languages, variants and rules by one command.

    python benchmarks/augmented_table.py --source conll2003:en --targets conll2002:es conll2002:nl aqmar:ar \\
        --mappings "maps/en-{language}" --seeds 1 2 3 --jobs 2 --output runs/tables/augmented

Each language gets the paper's own settings: which side is mapped (a given mapping decides that itself), which tags are
learnt, which model cross_augmented begins with. `--select_on` names the rules of table 4; each is a training of its
own, for it decides which weights are kept and when joint training ends. Options after `--` go to every `xner train`.
Everything trained lies in the stage store: a killed table goes on where it was. The table gives mean and standard
deviation over seeds, then the maximum; `supervised` is table 2, `source_mono*` table 3, `cross_*` table 4.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import describe_machine, machine_facts, table, write_report
from method_table import format_gaps
from table_runs import RULES, Column, Plan, columns_of, split_options, train_columns

from hf_xner.data.specs import parse_spec
from hf_xner.systems.augmented_arguments import VARIANTS


@dataclass(frozen=True)
class Language:
    """The paper's settings for a target language, by the caption of table 4 and its numbers of weights.

    Attributes:
        mapped: The side whose vectors are mapped.
        scheme: Tags that are learnt.
        augment_from: The best of the source models, which cross_augmented begins with.
    """

    mapped: str = "source"
    scheme: str = "iobes"
    augment_from: str = "cross_shared"

    def options(self, mapping_given: bool) -> list[str]:
        """As the command line takes them."""
        side = [] if mapping_given else ["--mapped", self.mapped]
        return [*side, "--scheme", self.scheme, "--augment_from", self.augment_from]


LANGUAGES = {
    "es": Language(),
    "nl": Language(),
    "de": Language(augment_from="cross_shared_no_char"),
    "ar": Language("target", "iob2", "cross_word_no_char"),
    "fi": Language("target"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing, print the tables, write JSON."""
    args, options = _parse(list(sys.argv[1:] if argv is None else argv))
    started = time.monotonic()
    columns = columns_of(args.targets, [args.source], args.select_on)
    plan = Plan("augmented", args.seeds, args.jobs, args.output, lambda column: _options(args, options, column))
    found = train_columns(plan, columns)
    results: dict[str, dict[str, Any]] = {}
    for column in columns:
        results.setdefault(str(column.rule), {})[column.pair.name] = found[column.name]
    facts = machine_facts()
    print(describe_machine(facts))
    print(format_table(found))
    for rule, of_rule in results.items():
        print(f"\nchosen on {rule}\n{format_gaps(of_rule)}")
    report = {"machine": facts, "options": options, "seconds": time.monotonic() - started, "results": results}
    write_report(args.output / "table.json", report)
    return 0


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    own, rest = split_options(argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="conll2003:en", help="labelled corpus (conll2003:en)")
    parser.add_argument("--targets", nargs="+", required=True, help="target corpora, with their languages")
    parser.add_argument("--mappings", metavar="DIR", help="folders of `xner vectors map`; {language} is the target's")
    parser.add_argument("--source_vectors", metavar="FILE", help="or vectors, to be mapped in each run")
    parser.add_argument("--target_vectors", metavar="FILE", help="likewise; {language} is the target's")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS, metavar="VARIANT")
    parser.add_argument("--select_on", nargs="+", default=["source_dev"], choices=RULES, help="rules (source_dev)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side, each with its share of the cores")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(own)
    if not args.mappings and not (args.source_vectors and args.target_vectors):
        parser.error("give --mappings, or --source_vectors and --target_vectors")
    return args, rest


def _options(args: argparse.Namespace, options: list[str], column: Column) -> list[str]:
    """What `xner train` is told of one language."""
    given = {"mapping": args.mappings, "source_vectors": args.source_vectors, "target_vectors": args.target_vectors}
    chosen = [word for name, value in given.items() if value for word in (f"--{name}", value)]
    language = parse_spec(column.pair.target).config
    chosen += LANGUAGES.get(language, Language()).options(mapping_given=bool(args.mappings))
    return [*chosen, "--variants", *args.variants, *options]


def format_table(results: dict[str, Any], set_name: str = "target_test") -> str:
    """F1 of the CRF's own decoding, variants by targets and rules: mean, SD and maximum over seeds, in points."""
    found = list(results.values())
    rows = []
    for variant in found[0]["variants"]:
        scores = [result["variants"][variant][set_name]["tagger"]["f1"] for result in found]
        rows.append([variant, *map(_cell, scores)])
    return table(["variant", *results], rows)


def _cell(summary: dict[str, Any]) -> str:
    spread = "" if summary["sd"] is None else f" ({100 * summary['sd']:.2f}) {100 * max(summary['values']):.2f}"
    return f"{100 * summary['mean']:.2f}{spread}"


if __name__ == "__main__":
    sys.exit(main())
