"""What went wrong between here and the Hub, in one line that says what to do; and what is worth another try."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from hf_xner.errors import InputError
from hf_xner.systems.files import error_chain

ATTEMPTS = 4
FIRST_WAIT = 2.0  # seconds; doubles with every attempt
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_BAD_CARD = "Invalid metadata in README.md"  # how huggingface_hub says it
_AGAIN = "give the same command again: what has arrived is not sent twice"

T = TypeVar("T")
logger = logging.getLogger("hf_xner")


def with_retries(work: Callable[[], T], repo: str, *, sleep: Callable[[float], None] | None = None) -> T:
    """Do `work`, again after a while if the connection or the Hub failed.

    Args:
        work: What to do; called anew at each attempt, so it must find out by itself what is done already.
        repo: The repository, for messages.
        sleep: Waits so many seconds; `time.sleep` by default.

    Raises:
        InputError: It cannot be done, or not now.
    """
    wait = FIRST_WAIT
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except InputError:
            raise
        except Exception as error:
            told = explain(error, repo)
            if told is None:
                raise
            if attempt == ATTEMPTS or not is_passing(error):
                raise told from error
            logger.warning("%s; trying again in %.0f s (%d of %d)", told.what, wait, attempt, ATTEMPTS - 1)
            (sleep or time.sleep)(wait)
            wait *= 2
    raise AssertionError("the last attempt returns or raises")


def is_passing(error: BaseException) -> bool:
    """Tell whether the same thing may go well a little later."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if any(isinstance(cause, OfflineModeIsEnabled) for cause in error_chain(error)):
        return False
    status = _status(error)
    return status in _PASSING if status is not None else _is_connection(error)


def explain(error: BaseException, repo: str) -> InputError | None:
    """The one line for an error of the Hub or of the way there; None for what is neither.

    Args:
        error: What was raised.
        repo: The repository.
    """
    from huggingface_hub import errors

    chain = list(error_chain(error))
    status = _status(error)
    if any(isinstance(cause, errors.OfflineModeIsEnabled) for cause in chain):
        return InputError("HF_HUB_OFFLINE is set, so nothing can be sent", where=repo, remedy="unset it and try again")
    if any(isinstance(cause, errors.LocalTokenNotFoundError) for cause in chain):
        return no_token(repo)
    if any(isinstance(cause, errors.HFValidationError) for cause in chain):
        return InputError("is no name of a repository", where=repo, remedy="write ORG/NAME, as in my-name/tsl-es")
    refused = next((cause for cause in chain if str(cause).startswith(_BAD_CARD)), None)
    if refused is not None:
        reason = " ".join(str(refused).removeprefix(_BAD_CARD).split())
        return InputError(f"the Hub refuses the card: {reason.lstrip('.- ')}", where=repo, remedy="see `xner card`")
    if status is not None:
        return _of_status(status, error, repo)
    if _is_connection(error):
        return InputError(f"the connection to the Hub was lost ({_first_line(error)})", where=repo, remedy=_AGAIN)
    return None


def no_token(repo: str) -> InputError:
    """There is no token to push with."""
    return InputError(
        "there is no Hub token, and nothing was sent",
        where=repo,
        remedy="log in with `hf auth login`, or set HF_TOKEN to a token with write permission",
    )


def _of_status(status: int, error: BaseException, repo: str) -> InputError:
    namespace = repo.partition("/")[0]
    if status == 401:
        return InputError(
            "the Hub does not accept the token (401)",
            where=repo,
            remedy="make a new one at huggingface.co/settings/tokens and log in with `hf auth login`",
        )
    if status in (402, 403):
        return InputError(
            f"the token may not write there ({status}{_server_says(error)})",
            where=repo,
            remedy=f"use a token with write permission for {namespace}, or another --repo",
        )
    if status == 404:
        return InputError(
            "there is no such repository or revision, or the token may not see it (404)",
            where=repo,
            remedy=f"check the name, and that you are a member of {namespace}",
        )
    if status == 409:
        return InputError(
            f"the name is taken, and the token may not see what is there (409{_server_says(error)})",
            where=repo,
            remedy="choose another --repo",
        )
    if status == 412:
        return InputError(
            "somebody else has pushed meanwhile (412), and nothing was overwritten", where=repo, remedy=_AGAIN
        )
    if status in _PASSING:
        what = "the Hub asks to come back later" if status == 429 else "the Hub is in trouble"
        return InputError(f"{what} ({status})", where=repo, remedy=_AGAIN)
    return InputError(f"the Hub refused it ({status}{_server_says(error)})", where=repo)


def _status(error: BaseException) -> int | None:
    """The HTTP status behind an error."""
    for cause in error_chain(error):
        response = getattr(cause, "response", None)
        if response is not None and isinstance(getattr(response, "status_code", None), int):
            return response.status_code
    return None


def _is_connection(error: BaseException) -> bool:
    from huggingface_hub.errors import HTTPError

    # `HTTPError` is the root of what the HTTP library raises; with a status it is none of the connection's.
    kinds = (HTTPError, ConnectionError, TimeoutError)
    return any(isinstance(cause, kinds) or type(cause).__module__.startswith("hf_xet") for cause in error_chain(error))


def _server_says(error: BaseException) -> str:
    for cause in error_chain(error):
        message = getattr(cause, "server_message", None)
        if message:
            return f": {' '.join(str(message).split())}"
    return ""


def _first_line(error: BaseException) -> str:
    deepest = list(error_chain(error))[-1]
    lines = str(deepest).strip().splitlines() or str(error).strip().splitlines()
    return lines[0].strip(" .") if lines else type(deepest).__name__
