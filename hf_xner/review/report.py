"""The report of a review, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_xner.labels import tags_from_spans
from hf_xner.review.figures import (
    ENOUGH,
    ENOUGH_SCORES,
    ENOUGH_SENTENCES,
    ENOUGH_TO_FORECAST,
    MEASURES,
    figures,
)
from hf_xner.review.session import REPORT, Session
from hf_xner.systems.files import write_json
from hf_xner.systems.readable import readable_seconds, table
from hf_xner.systems.summary import bracketed

EXAMPLES = 5
KINDS = 6
Values = Mapping[str, Any]


def make_report(session: Session) -> str:
    """The report, which is also written into the session's folder as `report.json`."""
    content = figures(session)
    write_json(session.folder / REPORT, content)
    return format_report(content)


def format_report(content: Values) -> str:
    """The report from what `figures` found out.

    Args:
        content: The figures.
    """
    parts = [_head(content)]
    if content["judged"]:
        parts += [_estimates(content), _outlook(content), _scores(content["scores"])]
    parts.append(_agreement(content["agreement"], content["teacher_name"], content["why_no_teacher"]))
    return "\n\n".join(part for part in parts if part)


def percent(estimate: Values) -> str:
    """`43.1 [36.0, 50.6]`, in percent; a dash where there was nothing to count."""
    if estimate["value"] is None:
        return "-"
    return f"{100 * estimate['value']:.1f} [{100 * estimate['low']:.1f}, {100 * estimate['high']:.1f}]"


def _head(content: Values) -> str:
    text = content["text"]
    found = ", ".join(f"{name} {count:,}" for name, count in content["found_in_text"].items()) or "nothing"
    looked = f"{content['judged']:,} of {content['drawn']:,} drawn sentences looked at"
    if content["judged"]:
        looked += f": {content['confirmed']} right, {content['corrected']} corrected, {content['skipped']} skipped"
    return (
        f"{content['name']} on {text['name']}: {text['sentences']:,} sentences, {text['words']:,} words\n"
        f"the tagger finds {found}\n{looked}"
    )


def _estimates(content: Values) -> str:
    judged = content["judged"] - content["skipped"]
    rows = [["all", *_row(content["estimates"])]]
    rows += [[name, *_row(values)] for name, values in content["per_type"].items() if values]
    if "teacher" in content:
        rows.append(["(its teacher)", *_row(content["teacher"])])
    whole = judged == content["text"]["sentences"]
    title = "The whole text, judged" if whole else "Estimates for the whole text, with 95 % intervals"
    lines = [f"{title}, in percent:", table(["", *MEASURES, "entities seen"], rows)]
    few = [name for name, values in content["per_type"].items() if not values]
    if few:
        lines.append(
            f"too little seen of {', '.join(few)} ({ENOUGH} entities in {ENOUGH_SENTENCES} sentences is least)"
        )
    if content["skipped"]:
        lines.append("The figures are for the text without sentences such as those skipped.")
    if "teacher" in content:
        lines.append(
            "The teacher is judged by answers given to the student's tags, which favours the student a little."
        )
    return "\n".join(lines)


def _row(estimates: Values) -> list[str]:
    counted = f"{estimates['precision']['counted']} found, {estimates['recall']['counted']} there"
    return [*(percent(estimates[measure]) for measure in MEASURES), counted]


def _outlook(content: Values) -> str:
    outlook = content["outlook"]
    if content["judged"] == content["text"]["sentences"]:
        return ""
    if outlook is None:
        return f"What more sentences bring shows after {ENOUGH_TO_FORECAST} with an entity, found or missed."
    now = f"F1 is known to within {_points(outlook['half_width'])} points."
    gain = f"One more sentence makes that about {100 * outlook['gain_of_one']:.2f} points less"
    pace = outlook["seconds_a_sentence"]
    lines = [f"{now} {gain}{f' and takes {readable_seconds(pace)}' if pace else ''}."]
    if outlook["after"]:
        steps = (f"{int(more):,} more: {_points(width)}" for more, width in outlook["after"].items())
        lines.append(f"After {', '.join(steps)}.")
    for width, more in outlook["sentences_for"].items():
        if 0 < more <= outlook["left"]:
            time = f", {readable_seconds(more * pace)}" if pace else ""
            rest = " (all of the text)" if more == outlook["left"] else ""
            lines.append(f"{_points(float(width))} points take about {more:,} more{rest}{time}.")
    return "\n".join(lines)


def _points(width: float) -> str:
    return f"±{100 * width:.1f}"


def _scores(scores: Values | None) -> str:
    if scores is None:
        return f"Whether scores can be trusted shows after {ENOUGH_SCORES} found entities."
    bands = [
        [f"{band['low']:g} to {band['high']:g}", f"{100 * band['share']:.0f}", f"{100 * band['score']:.0f}"]
        + [percent(band["right"])]
        for band in scores["bands"]
    ]
    cuts = [
        [f"{cut['threshold']:g}", *(percent(cut[measure]) for measure in MEASURES)]
        for cut in scores["thresholds"]
        if cut["precision"]["counted"]
    ]
    return "\n".join(
        [
            f"Scores of entities against the truth ({scores['entities']} found entities seen), in percent:",
            table(["score", "of all found", "mean score", "right"], bands),
            f"calibration error over these bands: {100 * scores['calibration_error']:.1f} "
            "(few entities make it look larger than it is)",
            "",
            "What `xner predict --threshold` would give:",
            table(["threshold", *MEASURES], cuts),
        ]
    )


def _agreement(agreement: Values | None, teacher: str, why_not: str) -> str:
    if agreement is None:
        return f"No teacher to compare with: {why_not}." if why_not else ""
    lines = [
        *([f"The teacher is {teacher}."] if teacher else []),
        f"Teacher and student agree on {100 * agreement['rate']:.1f} % of entities (2 x both / all of both), differ "
        f"in {agreement['differing_sentences']:,} of {agreement['sentences']:,} sentences.",
        "That is a hint and no accuracy: where both are wrong in the same way, they agree.",
        f"both {agreement['both']:,}, student only {agreement['student_only']:,}, "
        f"teacher only {agreement['teacher_only']:,}",
    ]
    kinds = [[kind["student"], kind["teacher"], f"{kind['count']:,}"] for kind in agreement["kinds"][:KINDS]]
    if kinds:
        lines += ["", table(["student says", "teacher says", "times"], kinds)]
    for example in agreement["examples"][:EXAMPLES]:
        words = [printable(word) for word in example["words"]]
        lines.append("")
        for who in ("student", "teacher"):
            lines.append(f"  {who}: {bracketed(words, tags_from_spans(example[who], len(words)))}")
    return "\n".join(lines)


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: control and direction characters become U+FFFD."""
    return "".join(
        character if _harmless(character) else " " if character.isspace() else "\ufffd" for character in text
    )


def _harmless(character: str) -> bool:
    # U+200C and U+200D join letters of Persian or emoji; other format characters may hide or turn round text.
    return character.isprintable() or character in "\u200c\u200d"
