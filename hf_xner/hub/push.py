"""A push: one commit with what is new, on top of what is known to be there; or nothing, in one clear line.

Done again after a failure it goes on where it stopped: the Hub keeps large files that have arrived, files that are
there already are not sent, and a commit whose answer was lost is found to be there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hf_xner.errors import InputError
from hf_xner.hub.card import CARD
from hf_xner.hub.failures import no_token, with_retries
from hf_xner.hub.plan import PushPlan
from hf_xner.hub.remote import Remote, is_blank_card, is_of_this_run, last_change, read_remote
from hf_xner.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAIN = "main"
OUR_COMMIT = re.compile(r"\(hf_xner [^()]+\)\s*$")  # how the title of a push ends


@dataclass(frozen=True)
class Target:
    """Where a push goes.

    Attributes:
        repo: ORG/NAME.
        revision: Branch; made from main where it is missing.
        private: Make the repository private, and refuse one that is not.
        replace: Overwrite what another run has left in the repository, and a card that was edited there.
    """

    repo: str
    revision: str = MAIN
    private: bool = False
    replace: bool = False


@dataclass
class Pushed:
    """What a push did.

    Attributes:
        url: Where the model is.
        commit: The commit that holds it.
        sent: Paths that were sent.
        unchanged: How many files were there already.
        removed: Paths of another model that were removed.
        kept: Why the card that was there stays, or "".
    """

    url: str = ""
    commit: str = ""
    sent: list[str] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    kept: str = ""


def check_repo(repo: str) -> None:
    """Refuse what is no ORG/NAME.

    Raises:
        InputError: It is none.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    remedy = "write ORG/NAME, as in my-name/tsl-es"
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise InputError(f"{repo!r} is no name of a repository", where="--repo", remedy=remedy) from error
    if "/" not in repo:
        raise InputError(f"{repo!r} does not say whose repository it is", where="--repo", remedy=remedy)


def push(
    plan: PushPlan, target: Target, *, api: HfApi | None = None, sleep: Callable[[float], None] | None = None
) -> Pushed:
    """Bring a repository to what `plan` says, by one commit; by none where it is there already.

    Args:
        plan: What goes up.
        target: Where to.
        api: The Hub, with its token; by default that of the environment.
        sleep: Waits before another attempt; `time.sleep` by default.

    Raises:
        InputError: There is no token, or the Hub refuses it; the name is taken by another model; its card was edited
            there; the repository is public though a private one was asked for; somebody else pushed meanwhile; the
            connection is lost for good.
    """
    from huggingface_hub import HfApi, get_token

    check_repo(target.repo)
    if api is None:
        api = HfApi(library_name="hf_xner", library_version=__version__)
    if not (api.token or get_token()):
        raise no_token(target.repo)
    done = Pushed(url=f"{api.endpoint}/{target.repo}")
    with _quiet_library():
        with_retries(lambda: _attempt(api, plan, target, done), target.repo, sleep=sleep)
    return done


def _attempt(api: HfApi, plan: PushPlan, target: Target, done: Pushed) -> None:
    """Look, and do what is missing; notes in `done` what this or an earlier attempt has sent."""
    remote = _opened(api, target)
    replace = target.replace or _is_copy_of_main(api, target, remote)
    _check(api, plan, target, remote, replace=replace)
    done.kept = _kept_card(api, plan, target, remote)
    files = [file for file in plan.files if not (done.kept and file.path == CARD)]
    new = [file for file in files if not remote.has(file)]
    same = target.replace and not remote.is_empty() and is_of_this_run(api, target.repo, remote, plan.results)
    removed = remote.stale(plan.files) if replace and not same else []  # of the same run only the card is in the way
    done.unchanged = len(files) - len(done.sent or new)
    done.commit = remote.head
    if not new and not removed:
        return
    done.sent, done.removed = [file.path for file in new], removed
    done.unchanged = len(files) - len(new)
    info = api.create_commit(
        target.repo,
        operations=list(_operations(new, removed)),
        commit_message=f"{plan.title} (hf_xner {__version__})",
        revision=target.revision,
        parent_commit=remote.head,
    )
    done.commit = info.oid


def _operations(new: list[Any], removed: list[str]) -> Iterator[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    # Made anew for each attempt: the library writes into them how far it came.
    for file in new:
        yield CommitOperationAdd(file.path, file.content)
    for path in removed:
        yield CommitOperationDelete(path)


def _opened(api: HfApi, target: Target) -> Remote:
    """The repository at the revision, made where it is missing."""
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        remote = read_remote(api, target.repo, target.revision)
        if remote is None:
            api.create_repo(target.repo, private=target.private or None)  # None: as the owner has it by default
            remote = read_remote(api, target.repo, target.revision)
    except RevisionNotFoundError:
        _refuse_public(target, read_remote(api, target.repo, MAIN))
        api.create_branch(target.repo, branch=target.revision, exist_ok=True)
        remote = read_remote(api, target.repo, target.revision)
    if remote is None:
        raise InputError(
            "the repository was made, and the token may not see it",
            where=target.repo,
            remedy="use a token with read and write permission",
        )
    return remote


def _is_copy_of_main(api: HfApi, target: Target, remote: Remote) -> bool:
    """Whether nothing has been pushed to the branch yet: what it holds stays where it comes from, on main."""
    if target.revision == MAIN or remote.is_empty():
        return False
    main = read_remote(api, target.repo, MAIN)
    return main is not None and main.head == remote.head


def _check(api: HfApi, plan: PushPlan, target: Target, remote: Remote, *, replace: bool) -> None:
    _refuse_public(target, remote)
    if replace:
        return
    if remote.is_empty():
        if target.revision == MAIN and not is_blank_card(api, target.repo, remote, CARD):
            _refuse_edited_card(api, plan, target, remote)
        return
    if is_of_this_run(api, target.repo, remote, plan.results):
        _refuse_edited_card(api, plan, target, remote)
        return
    raise InputError(
        f"the repository holds another model ({target.revision}), and nothing was overwritten",
        where=target.repo,
        remedy="choose another --repo or --revision, or give --replace to put this run in its place",
    )


def _refuse_edited_card(api: HfApi, plan: PushPlan, target: Target, remote: Remote) -> None:
    """Refuse to overwrite what somebody has written into the card since the last push."""
    if (plan.bare and not remote.is_empty()) or not _overwrites_card(plan, remote):
        return
    title = last_change(api, target.repo, remote, CARD)
    if title is None or OUR_COMMIT.search(title):
        return
    raise InputError(
        f"{CARD} was edited there ({' '.join(title.split())!r}, {target.revision}), and nothing was overwritten",
        where=target.repo,
        remedy=f"save it as {CARD} in the run folder, where it goes before a new one, or overwrite it with --replace",
    )


def _kept_card(api: HfApi, plan: PushPlan, target: Target, remote: Remote) -> str:
    """Why the card that is there stays, or "": a bare one is no better than one of the same run."""
    if not plan.bare or remote.is_empty() or not _overwrites_card(plan, remote):
        return ""
    ours = is_of_this_run(api, target.repo, remote, plan.results)
    return f"the {CARD} that is there stays, since a bare one says less" if ours else ""


def _overwrites_card(plan: PushPlan, remote: Remote) -> bool:
    """Whether there is a card, and another than that of the plan."""
    return CARD in remote.files and any(file.path == CARD and not remote.has(file) for file in plan.files)


def _refuse_public(target: Target, remote: Remote | None) -> None:
    if target.private and remote is not None and not remote.private:
        raise InputError(
            "the repository is there and public, though --private was given; nothing was sent",
            where=target.repo,
            remedy="make it private in its settings on the Hub, or choose another --repo",
        )


@contextmanager
def _quiet_library() -> Iterator[None]:
    """Keep what the Hub's library says about its own retries to itself; one line of ours says what went wrong.

    Progress bars are for somebody who watches.
    """
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, logging

    before, hide = logging.get_verbosity(), not (sys.stderr.isatty() or are_progress_bars_disabled())
    logging.set_verbosity_error()
    if hide:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if hide:
            enable_progress_bars()
