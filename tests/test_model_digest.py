"""What tells one state of a model from another: the files of a folder, the commit on the Hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hf_xner.errors import InputError
from hf_xner.model_digest import model_digest
from tests.hub.fixtures import TOKEN, hub, stranger
from tests.hub.loopback_hub import LoopbackHub

__all__ = ["hub", "stranger"]

ASK = """
from hf_xner.model_digest import model_commit, model_digest
print(model_commit("org/model", remedy=""), model_digest("org/model"))
"""


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    api = HfApi(endpoint=hub.url, token=TOKEN)
    api.create_repo("org/model")
    return api


def put(api: HfApi, config: str) -> str:
    return api.upload_file(repo_id="org/model", path_in_repo="config.json", path_or_fileobj=config.encode()).oid


def test_a_hub_model_is_known_by_its_commit_with_and_without_the_hub(api: HfApi, stranger: Callable[..., str]):
    seen = []
    for size in (8, 16):
        oid = put(api, f'{{"model_type": "bert", "hidden_size": {size}}}')
        commit, digest = stranger(ASK, with_hf_xner=True).split()
        assert commit == oid and digest not in seen
        offline = f"import os; os.environ['HF_HUB_OFFLINE'] = '1'{ASK}"
        assert stranger(offline, with_hf_xner=True).split() == [commit, digest]
        seen.append(digest)


def test_a_model_with_code_of_its_own_is_known_without_running_it(api: HfApi, stranger: Callable[..., str]):
    """As a BiLSTM-CRF is: nobody has registered its class yet when a review that goes on asks for its digest."""
    code = '"auto_map": {"AutoConfig": "bilstm_crf.BiLstmCrfConfig"}'
    oid = put(api, f'{{"model_type": "xner-bilstm-crf", {code}}}')
    assert stranger(ASK, with_hf_xner=True).split()[0] == oid


@pytest.mark.parametrize("name", ["org/missing", "no/such/folder", "no such thing"])
def test_what_is_neither_folder_nor_hub_model_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"^{name}: there is no such folder, and the Hub gave nothing .*; look again"):
        model_digest(name, remedy="look again")
