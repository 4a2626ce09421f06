"""The Hub on this machine does what the Hub's own client expects: otherwise the other tests here show nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from .fixtures import READER, TOKEN
from .loopback_hub import LoopbackHub

CARD = b"---\nlicense: mit\n---\n"


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token=TOKEN)


def test_regular_and_large_files_come_back_as_they_were_sent(hub: LoopbackHub, api: HfApi, tmp_path: Path):
    api.create_repo("org/model")
    weights = bytes(range(256)) * 50
    operations = [
        CommitOperationAdd("README.md", CARD),
        CommitOperationAdd("folder/model.safetensors", weights),
        CommitOperationAdd("empty.txt", b""),
    ]
    api.create_commit("org/model", operations, commit_message="first")
    assert hub.repositories["org/model"].history()[0].message == "first"
    assert hub.count("PUT /lfs/*") == hub.count("POST /lfs/verify") == 1
    place = api.snapshot_download("org/model", local_dir=tmp_path / "copy")
    assert (Path(place) / "folder" / "model.safetensors").read_bytes() == weights
    assert (Path(place) / "README.md").read_bytes() == CARD and (Path(place) / "empty.txt").read_bytes() == b""
    files = {file.rfilename: file for file in api.model_info("org/model", files_metadata=True).siblings}
    assert files["folder/model.safetensors"].lfs.size == len(weights) and files["README.md"].lfs is None
    assert {entry.path for entry in api.list_repo_tree("org/model")} >= {"README.md", "folder"}


def test_files_that_have_not_changed_make_no_commit_and_are_not_sent_again(hub: LoopbackHub, api: HfApi):
    api.create_repo("org/model")

    def files() -> list[CommitOperationAdd]:
        return [CommitOperationAdd("README.md", CARD), CommitOperationAdd("a.bin", b"1234")]

    first = api.create_commit("org/model", files(), commit_message="first")
    second = api.create_commit("org/model", files(), commit_message="second")
    assert first.oid == second.oid and len(hub.repositories["org/model"].history()) == 1
    assert hub.count("PUT /lfs/*") == 1


def test_branches_parents_and_deletions(hub: LoopbackHub, api: HfApi):
    api.create_repo("org/model")
    first = api.create_commit("org/model", [CommitOperationAdd("a.txt", b"a")], commit_message="a")
    api.create_branch("org/model", branch="dev")
    api.create_commit("org/model", [CommitOperationAdd("b.txt", b"b")], commit_message="b", revision="dev")
    assert set(hub.files("org/model")) == {"a.txt"} and set(hub.files("org/model", "dev")) == {"a.txt", "b.txt"}
    with pytest.raises(HfHubHTTPError) as error:
        late = [CommitOperationAdd("c.txt", b"c")]
        api.create_commit("org/model", late, commit_message="c", revision="dev", parent_commit=first.oid)
    assert error.value.response.status_code == 412
    api.create_commit("org/model", [CommitOperationDelete("a.txt")], commit_message="-a", revision="dev")
    assert set(hub.files("org/model", "dev")) == {"b.txt"}
    assert {branch.name for branch in api.list_repo_refs("org/model").branches} == {"main", "dev"}


def test_who_may_do_what(hub: LoopbackHub, api: HfApi):
    api.create_repo("org/secret", private=True)
    reader, nobody, wrong = (HfApi(endpoint=hub.url, token=token) for token in (READER, False, "hf_unknown"))
    assert api.model_info("org/secret").private
    for visitor, kind in ((reader, RepositoryNotFoundError), (nobody, HfHubHTTPError), (wrong, HfHubHTTPError)):
        with pytest.raises(kind):
            visitor.model_info("org/secret")
    for visitor, status in ((reader, 403), (wrong, 401)):
        with pytest.raises(HfHubHTTPError) as error:
            visitor.create_repo("org/another")
        assert error.value.response.status_code == status
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo("org/secret")
    assert error.value.response.status_code == 409


def test_what_is_missing_is_told_apart(hub: LoopbackHub, api: HfApi):
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("org/none")
    api.create_repo("org/model")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("org/model", revision="none")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("org/model", "none.json")


def test_a_card_with_wrong_metadata_is_refused(hub: LoopbackHub, api: HfApi):
    api.create_repo("org/model")
    with pytest.raises(ValueError, match="language"):
        card = b"---\nlanguage: Spanish\n---\n"
        api.create_commit("org/model", [CommitOperationAdd("README.md", card)], commit_message="card")
    assert hub.repositories["org/model"].history() == []
