"""Which files of a run go to the Hub, and under which names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# What a plain model consists of; whatever else lies in its folder stays at home (pickles, checkpoints, notes).
_MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
)
_SHARD = "model-*.safetensors"
# A model with code of its own may have word lists and the like, and of course its code.
_WITH_CODE = (".py", ".json", ".txt", ".safetensors", ".model")
_NEVER = ("trainer_state.json",)


@dataclass(frozen=True)
class Upload:
    """One file that goes up.

    Attributes:
        path: Its path in the repository.
        content: Its bytes, or the file that holds them.
        source: The file of the run that it comes from, if it comes from one.
    """

    path: str
    content: bytes | Path
    source: Path | None = None

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def read(self, count: int = -1) -> bytes:
        """Its first `count` bytes, or all."""
        if isinstance(self.content, bytes):
            return self.content if count < 0 else self.content[:count]
        with self.content.open("rb") as file:
            return file.read(count)


def model_files(folder: Path, *, with_code: bool) -> tuple[list[Path], list[str]]:
    """Files of a saved model that belong to it, and the names of what else lies in its folder.

    Args:
        folder: The model's folder.
        with_code: It travels with code of its own.
    """
    own, others = [], []
    for path in sorted(folder.iterdir()):
        if path.is_file() and _belongs(path, with_code):
            own.append(path)
        elif path.name != "__pycache__":
            others.append(path.name)
    return own, others


def _belongs(path: Path, with_code: bool) -> bool:
    if path.name.startswith(".") or path.name in _NEVER:
        return False
    if path.name in _MODEL_FILES or path.match(_SHARD):
        return True
    return with_code and path.suffix in _WITH_CODE


def total_size(files: list[Upload]) -> int:
    """Bytes of all files together."""
    return sum(file.size for file in files)
