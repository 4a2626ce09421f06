"""The student is a plain transformers model: it works where hf_xner is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hf_xner.launch import train

SENTENCES = ["Angela Merkel visited Kiel .", "John visited the bank in Bonn .", "a bank in Kiel , John"]
TAGS = {"Angela": "B-PER", "Merkel": "I-PER", "John": "B-PER", "Kiel": "B-LOC", "Bonn": "B-LOC"}

STRANGER = """
import json, sys

class NoSuchPackage:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "hf_xner":
            raise ImportError("hf_xner is not installed here")

sys.meta_path.insert(0, NoSuchPackage())
try:
    import hf_xner
except ImportError:
    pass
else:
    raise SystemExit("hf_xner can be imported: the test shows nothing")
from transformers import AutoModelForTokenClassification, pipeline

model, report = AutoModelForTokenClassification.from_pretrained(sys.argv[1], output_loading_info=True)
tag = pipeline("token-classification", model=sys.argv[1], ignore_labels=[])
text = "Angela Merkel visited Kiel ."
words = tag(text)
grouped = pipeline("token-classification", model=sys.argv[1], aggregation_strategy="simple")(text)
assert not any(name.split(".")[0] == "hf_xner" for name in sys.modules)
print(json.dumps({
    "kind": type(model).__module__ + "." + type(model).__name__,
    "keys": sorted(report["missing_keys"]) + sorted(report["unexpected_keys"]),
    "labels": model.config.id2label,
    "words": [[word["word"], word["entity"]] for word in words],
    "grouped": [[group["word"], group["entity_group"]] for group in grouped],
}))
"""


def write(path: Path, sentences: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = ("".join(f"{word} {TAGS.get(word, 'O')}\n" for word in text.split()) for text in sentences)
    path.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def run_folder(tiny_encoder_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write(folder / "source" / "train.conll", SENTENCES * 12)
    write(folder / "target" / "train.conll", [*SENTENCES, "John visited the bank ."] * 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
        train(
            "tsl",
            source=[str(folder / "source")],
            target=str(folder / "target"),
            encoder=str(tiny_encoder_dir),
            output_dir=str(folder / "out"),
            store=str(folder / "store"),
            variants=["tsl"],
            batch_size=4,
            micro_batch_size=4,
            teacher_epochs=25.0,
            student_epochs=60.0,
            teacher_learning_rate=0.005,
            student_learning_rate=0.005,
            freeze_layers=0,
            freeze_embeddings=False,
            precision="fp32",
        )
    return folder / "out"


def test_the_student_runs_in_a_pipeline_where_hf_xner_is_not_installed(run_folder: Path, tmp_path: Path):
    (tmp_path / "stranger.py").write_text(STRANGER)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "stranger.py", str(run_folder / "student")],
        cwd=tmp_path,
        env={**environment, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["kind"] == "transformers.models.bert.modeling_bert.BertForTokenClassification"
    assert found["keys"] == []
    assert set(found["labels"].values()) == {"O", "B-LOC", "B-PER", "I-LOC", "I-PER"} and found["labels"]["0"] == "O"
    expected = [["Angela", "B-PER"], ["Merkel", "I-PER"], ["visited", "O"], ["Kiel", "B-LOC"], [".", "O"]]
    assert found["words"] == expected
    assert found["grouped"] == [["Angela Merkel", "PER"], ["Kiel", "LOC"]]


def test_the_folder_holds_what_transformers_reads_and_no_pickle(run_folder: Path):
    names = {path.name for path in (run_folder / "student").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl", ".py"))]
    config = json.loads((run_folder / "student" / "config.json").read_text())
    assert config["label2id"] == {tag: int(index) for index, tag in config["id2label"].items()}
    assert config["xner"]["scheme"] == "iob2" and config["xner"]["decoding"] == "viterbi"
    assert "auto_map" not in config
