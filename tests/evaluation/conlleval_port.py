"""A port of the CoNLL shared tasks' conlleval script (Perl), rule by rule, quirks included.

It imports nothing of the library: it is the reference that the library's own counting is held to.
"""

from __future__ import annotations

import re
from collections import defaultdict

BOUNDARY = "-X-"


def conlleval(lines: list[str]) -> str:
    """Give the report that the script prints for lines of columns."""
    correct_chunk: dict[str, int] = defaultdict(int)
    found_correct: dict[str, int] = defaultdict(int)
    found_guessed: dict[str, int] = defaultdict(int)
    total_correct_chunk = total_found_correct = total_found_guessed = 0
    correct_tags = token_counter = 0
    in_correct = False
    last_correct = last_guessed = "O"
    last_correct_type = last_guessed_type = ""
    for line in lines:
        features = line.split()
        if not features or features[0] == BOUNDARY:
            features = [BOUNDARY, "O", "O"]
        guessed, guessed_type = split(features.pop())
        correct, correct_type = split(features.pop())
        first_item = features.pop(0)
        if first_item == BOUNDARY:
            guessed = "O"

        correct_ends = end_of_chunk(last_correct, correct, last_correct_type, correct_type)
        guessed_ends = end_of_chunk(last_guessed, guessed, last_guessed_type, guessed_type)
        if in_correct:
            if correct_ends and guessed_ends and last_guessed_type == last_correct_type:
                in_correct = False
                total_correct_chunk += 1
                correct_chunk[last_correct_type] += 1
            elif correct_ends != guessed_ends or guessed_type != correct_type:
                in_correct = False

        correct_starts = start_of_chunk(last_correct, correct, last_correct_type, correct_type)
        guessed_starts = start_of_chunk(last_guessed, guessed, last_guessed_type, guessed_type)
        if correct_starts and guessed_starts and guessed_type == correct_type:
            in_correct = True
        if correct_starts:
            total_found_correct += 1
            found_correct[correct_type] += 1
        if guessed_starts:
            total_found_guessed += 1
            found_guessed[guessed_type] += 1
        if first_item != BOUNDARY:
            if correct == guessed and guessed_type == correct_type:
                correct_tags += 1
            token_counter += 1
        last_guessed, last_correct = guessed, correct
        last_guessed_type, last_correct_type = guessed_type, correct_type
    if in_correct:
        total_correct_chunk += 1
        correct_chunk[last_correct_type] += 1

    report = f"processed {token_counter} tokens with {total_found_correct} phrases; "
    report += f"found: {total_found_guessed} phrases; correct: {total_correct_chunk}.\n"
    if token_counter > 0:
        report += f"accuracy: {100 * correct_tags / token_counter:6.2f}%; "
        report += scores(total_correct_chunk, total_found_guessed, total_found_correct) + "\n"
    for name in sorted(set(found_correct) | set(found_guessed)):
        report += f"{name:>17}: "
        report += scores(correct_chunk[name], found_guessed[name], found_correct[name])
        report += f"  {found_guessed[name]}\n"
    return report


def scores(correct: int, guessed: int, wanted: int) -> str:
    precision = recall = f1 = 0.0
    if guessed > 0:
        precision = 100 * correct / guessed
    if wanted > 0:
        recall = 100 * correct / wanted
    if precision + recall > 0:
        f1 = 2 * precision * recall / (precision + recall)
    return f"precision: {precision:6.2f}%; recall: {recall:6.2f}%; FB1: {f1:6.2f}"


def split(tag: str) -> tuple[str, str]:
    match = re.match(r"^([^-]*)-(.*)$", tag)
    return (match.group(1), match.group(2)) if match else (tag, "")


def end_of_chunk(prev_tag: str, tag: str, prev_type: str, type_: str) -> bool:
    chunk_end = False
    if prev_tag == "B" and tag == "B":
        chunk_end = True
    if prev_tag == "B" and tag == "O":
        chunk_end = True
    if prev_tag == "I" and tag == "B":
        chunk_end = True
    if prev_tag == "I" and tag == "O":
        chunk_end = True
    if prev_tag == "E" and tag == "E":
        chunk_end = True
    if prev_tag == "E" and tag == "I":
        chunk_end = True
    if prev_tag == "E" and tag == "O":
        chunk_end = True
    if prev_tag != "O" and prev_tag != "." and prev_type != type_:
        chunk_end = True
    if prev_tag in ("]", "["):
        chunk_end = True
    return chunk_end


def start_of_chunk(prev_tag: str, tag: str, prev_type: str, type_: str) -> bool:
    chunk_start = False
    if prev_tag == "B" and tag == "B":
        chunk_start = True
    if prev_tag == "I" and tag == "B":
        chunk_start = True
    if prev_tag == "O" and tag == "B":
        chunk_start = True
    if prev_tag == "O" and tag == "I":
        chunk_start = True
    if prev_tag == "E" and tag == "E":
        chunk_start = True
    if prev_tag == "E" and tag == "I":
        chunk_start = True
    if prev_tag == "O" and tag == "E":
        chunk_start = True
    if tag != "O" and tag != "." and prev_type != type_:
        chunk_start = True
    if tag in ("[", "]"):
        chunk_start = True
    return chunk_start
