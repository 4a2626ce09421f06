"""One training run in one folder: build the model, train it (or go on where it was killed), leave a plain model."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PrinterCallback, set_seed

from hf_xner.data.encoding import WordEncoder, longest_input
from hf_xner.data.rows import RowCollator, TrainingRows, write_encoded
from hf_xner.errors import InputError
from hf_xner.inference.device import on_cpu, process_state
from hf_xner.inference.loading import load_encoder_for_tagging, load_tokenizer
from hf_xner.models.dropout import switch_off_dropout
from hf_xner.models.freezing import freeze_bottom
from hf_xner.training.arguments import TokenClassificationArguments
from hf_xner.training.cpu import speed_up_on_cpu
from hf_xner.training.history import HISTORY, HistoryWriter, plot_history
from hf_xner.training.settings import FitSettings
from hf_xner.training.trainer import Loss, TokenClassificationTrainer

MODEL = "model"
FINISHED = "finished"  # the checkpoints of a training whose model is saved
DECODING = {"scheme": "iob2", "decoding": "viterbi", "start_constraint": True}
HISTORY_PLOT = "history.png"


def fit(
    folder: Path,
    encoder: str,
    sentences: Dataset,
    tag_names: Sequence[str],
    settings: FitSettings,
    loss: Loss,
    *,
    soft_labels: Dataset | None = None,
    votes: Dataset | None = None,
    dev: Dataset | None = None,
    keep_head: bool = False,
) -> None:
    """Train a tagger from a fresh encoder and save it as a plain model in `folder/model`.

    Called again on the folder of a killed run, it continues at the last complete checkpoint and ends with the
    weights of an undisturbed run. Every process of the launch must call it.

    Args:
        folder: Where checkpoints, history and the model go.
        encoder: Folder or Hub id of the encoder.
        sentences: `tokens`, and `ner_tags` unless `soft_labels` are given.
        tag_names: Tags by id: of `ner_tags`, or of the teacher whose soft labels these are.
        settings: The settings.
        loss: The loss; see `TokenClassificationTrainer`.
        soft_labels: The column `soft_labels` for `sentences`, row by row.
        votes: The column `votes` for `sentences`, row by row, beside soft labels.
        dev: Labelled Dataset for `settings.select == "best"`.
        keep_head: `encoder` is a tagger with these tags, whose head goes on learning.

    Raises:
        InputError: `sentences` carry tags beside soft labels, the encoder cannot be loaded or has fewer layers than
            are to be frozen, or the batch does not divide over the processes.
    """
    if soft_labels is not None:
        refuse_tags(sentences)
    if was_finished(folder):
        return
    set_seed(settings.seed)
    tokenizer = load_tokenizer(encoder)
    model = load_encoder_for_tagging(encoder, tag_names, keep_head=keep_head)
    rows = _training_rows(folder, tokenizer, model, sentences, tag_names, settings, soft_labels, votes)
    model = prepare(model, settings)
    arguments = training_arguments(folder, settings, selects=dev is not None)
    trainer = TokenClassificationTrainer(
        model=model,
        args=arguments,
        loss=loss,
        train_dataset=rows,
        eval_dataset=dev,
        data_collator=RowCollator(tokenizer.pad_token_id or 0),
        processing_class=tokenizer,
        callbacks=[HistoryWriter(folder)],
    )
    train_to_end(trainer, folder, settings, lambda: save_plain(trainer, tokenizer, folder / MODEL))


def refuse_tags(sentences: Dataset) -> None:
    """Raise an `InputError` where text to distil on, or to compare languages by, still has its tags."""
    if "ner_tags" in sentences.column_names:
        raise InputError(
            "a corpus with tags was given for distillation", remedy="pass it through hf_xner.data.unlabelled() first"
        )


def train_to_end(trainer: Any, folder: Path, settings: FitSettings, save: Callable[[], None]) -> None:
    """Train, or go on where an earlier attempt was killed, and leave the model and its history.

    Args:
        trainer: The Trainer; every process of the launch must call this.
        folder: The run's folder.
        settings: The settings.
        save: Writes the trained model into the folder; called by the main process.
    """
    trainer.remove_callback(PrinterCallback)  # history.jsonl holds what it would print
    # Building the trainer draws random numbers in some versions; training starts from the seed alone.
    set_seed(settings.seed)
    trainer.train(resume_from_checkpoint=last_complete_checkpoint(folder / "checkpoints"))
    if trainer.is_world_process_zero():
        save()
        plot_history(folder / HISTORY, folder / HISTORY_PLOT)
        (folder / "checkpoints").rename(folder / FINISHED)
        _tidy(folder)
    trainer.accelerator.wait_for_everyone()


def was_finished(folder: Path) -> bool:
    """Whether an earlier attempt saved everything and was killed while it tidied up; then the tidying is done here."""
    state = process_state()
    finished = (folder / FINISHED).exists()
    state.wait_for_everyone()  # nobody may remove the sign before all have seen it
    if finished and state.is_main_process:
        _tidy(folder)
    return finished


def _tidy(folder: Path) -> None:
    """Remove what only training needs. `finished/` stays: a stage that is killed before its record is told by it."""
    for path in folder.glob("encoded*.arrow"):
        path.unlink(missing_ok=True)
    for path in (folder / FINISHED).glob("*"):
        shutil.rmtree(path, ignore_errors=True)


def _training_rows(
    folder: Path,
    tokenizer: Any,
    model: Any,
    sentences: Dataset,
    tag_names: Sequence[str],
    settings: FitSettings,
    soft_labels: Dataset | None,
    votes: Dataset | None,
) -> TrainingRows:
    cut = settings.long_sentences == "truncate"
    encoded = encode_rows(folder / "encoded.arrow", tokenizer, model.config, sentences, settings.max_length, cut)
    if soft_labels is not None:
        return TrainingRows(encoded, soft_labels=(soft_labels, len(tag_names)), votes=votes)
    return TrainingRows(encoded, hard_labels=sentences)


def encode_rows(
    path: Path, tokenizer: Any, model_config: Any, sentences: Dataset, max_length: int, truncate: bool
) -> Dataset:
    """Encode sentences into a memory-mapped file; the main process writes it, the others read it."""
    longest = longest_input(tokenizer, model_config, max_length)
    state = process_state()
    with state.main_process_first():
        if not state.is_main_process:
            return Dataset.from_file(str(path))
        return write_encoded(sentences, WordEncoder(tokenizer, max_length=longest, truncate=truncate), path)


def prepare(model: Any, settings: FitSettings) -> Any:
    """Freeze what is to be frozen, or put LoRA adapters on a plain tagger; switch dropout off if it is to be off.

    Raises:
        InputError: The model has fewer layers than are to be frozen.
    """
    if not settings.dropout:
        switch_off_dropout(model)
    if on_cpu():
        speed_up_on_cpu(model)
    if settings.lora_rank:
        from peft import LoraConfig, get_peft_model

        return get_peft_model(
            model,
            LoraConfig(
                task_type="TOKEN_CLS",
                r=settings.lora_rank,
                lora_alpha=2 * settings.lora_rank,
                target_modules="all-linear",
                exclude_modules=["classifier", "score"],  # trained whole, beside the adapters
            ),
        )
    freeze(model, settings.freeze_layers, embeddings=settings.freeze_embeddings)
    return model


def freeze(model: Any, layers: int | None, *, embeddings: bool = True) -> None:
    """`freeze_bottom`, for what `--freeze_layers` says.

    Raises:
        InputError: The model has fewer layers than are to be frozen, or no list of them.
    """
    try:
        freeze_bottom(model, layers, embeddings=embeddings)
    except ValueError as error:
        raise InputError(str(error), where="--freeze_layers", remedy="give a smaller number, or 0") from error


def training_arguments(folder: Path, settings: FitSettings, *, selects: bool) -> TokenClassificationArguments:
    """transformers' arguments for `settings`, with the batch divided over processes and accumulation steps."""
    processes = process_state().num_processes
    per_process = settings.batch_size // processes
    micro = rows_in_a_forward_batch(settings, processes) // processes
    arguments = TokenClassificationArguments(
        output_dir=str(folder / "checkpoints"),
        seed=settings.seed,
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=per_process // micro,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup,
        max_grad_norm=settings.max_grad_norm,
        bf16=settings.bf16,
        use_cpu=on_cpu(),
        eval_strategy=("steps" if settings.eval_every else "epoch") if selects else "no",
        eval_steps=settings.eval_every,
        # After every few updates only a new best model is worth a checkpoint.
        save_strategy="best" if selects and settings.eval_every else "epoch",
        load_best_model_at_end=selects,
        metric_for_best_model="f1" if selects else None,
        save_total_limit=2 if selects else 1,
        disable_tqdm=not sys.stderr.isatty(),
    )
    # Alone, a process would spread over all GPUs with as many times the batch (DataParallel): that is for launchers.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def rows_in_a_forward_batch(settings: FitSettings, processes: int) -> int:
    """Rows that all processes together read at a time; a step accumulates several such batches.

    Raises:
        InputError: The batch does not divide over processes, or over the batches of one process.
    """
    per_process, rest = divmod(settings.batch_size, processes)
    if rest:
        raise InputError(
            f"a batch of {settings.batch_size} rows does not divide over {processes} processes",
            remedy="choose --batch_size as a multiple of the number of processes",
        )
    micro = min(settings.micro_batch_size, per_process)
    if per_process % micro:
        raise InputError(
            f"{per_process} rows a process do not divide into batches of {micro}", remedy="change --micro_batch_size"
        )
    return micro * processes


def last_complete_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; half-written ones are removed.

    transformers writes `trainer_state.json` last, so a checkpoint without a readable one is what a kill left.
    """
    complete: list[tuple[int, Path]] = []
    for path in folder.glob("checkpoint-*"):
        try:
            state = json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            complete.append((int(state["global_step"]), path))
        except (OSError, ValueError, KeyError):
            shutil.rmtree(path, ignore_errors=True)
    return str(max(complete)[1]) if complete else None


def save_plain(trainer: TokenClassificationTrainer, tokenizer: Any, folder: Path) -> None:
    """Save the encoder's own ForTokenClassification class with its tokenizer; LoRA adapters are merged first.

    How the Tagger is to decode goes into the configuration, where plain transformers leaves it alone.
    """
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    model.config.xner = dict(DECODING)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
