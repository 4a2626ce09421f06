from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hf_xner.errors import InputError
from hf_xner.systems.processes import DistributedProcesses, ProcessFailed, SingleProcess, on_all, on_main
from hf_xner.systems.stages import Stage, StageStore

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
import os, sys, time
from pathlib import Path
from hf_xner.errors import InputError
from hf_xner.systems.processes import ProcessFailed, current_processes, on_all, on_main
from hf_xner.systems.stages import Stage, StageStore
folder = Path(sys.argv[1])
processes = current_processes()
store = StageStore(folder / 'store')
stage = Stage('train', 'teacher', 1, {'text': 'ab'}, {})
def note(name, text=''):
    (folder / f'{name}-{processes.rank}').write_text(str(text))
"""


def launch(tmp_path: Path, body: str) -> tuple[int, str, dict[str, str]]:
    """Run a script in two processes; gives exit code, all output and the notes it wrote, by name and rank."""
    path = tmp_path / "script.py"
    path.write_text(HEAD + body)
    ended = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0"]
        + ["--rdzv_backend", "c10d", "--rdzv_endpoint", "127.0.0.1:0", str(path), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    notes = {note.name: note.read_text() for note in tmp_path.glob("*-[01]")}
    return ended.returncode, ended.stdout, notes


def test_single_process_needs_no_torch():
    code = (
        "import sys; from hf_xner.systems.processes import current_processes as c; from hf_xner.systems import stages;"
        "assert c().world_size == 1 and c().rank == 0; assert 'torch' not in sys.modules"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    subprocess.run([sys.executable, "-c", code], env={**environment, "PYTHONPATH": str(ROOT)}, check=True)


def test_single_process_passes_values_and_errors_on():
    alone = SingleProcess()
    assert on_main(alone, lambda: 3) == 3 and on_all(alone, lambda: 4) == 4 and alone.broadcast(5) == 5

    def refuse() -> None:
        raise InputError("no")

    for run in (on_main, on_all):
        with pytest.raises(InputError, match=r"^no$"):
            run(alone, refuse)


def test_two_processes_do_the_work_once_or_together(tmp_path: Path):
    body = """
import torch
def alone(place):
    note('alone')
    time.sleep(0.5)
    (place / 'x').write_text('x')
def together(place):
    torch.distributed.init_process_group('gloo')
    ranks = torch.tensor([processes.rank + 1])
    torch.distributed.all_reduce(ranks)
    note('together', int(ranks))
    (place / f'part-{processes.rank}').write_text('x')
first = store.run(stage, alone, processes=processes)
assert (first / 'x').exists()
second = store.run(Stage('train', 't', 2), together, collective=True)
assert sorted(p.name for p in second.glob('part*')) == ['part-0', 'part-1']
again = store.run(Stage('train', 't', 2), lambda place: note('again'), collective=True)
note('world', processes.world_size)
note('value', processes.broadcast(f'from {processes.rank}'))
note('main', on_main(processes, lambda: processes.rank))
torch.distributed.destroy_process_group()
"""
    code, output, notes = launch(tmp_path, body)
    assert code == 0, output
    assert notes == {
        "alone-0": "",
        **{f"together-{rank}": "3" for rank in (0, 1)},
        **{f"world-{rank}": "2" for rank in (0, 1)},
        **{f"value-{rank}": "from 0" for rank in (0, 1)},
        **{f"main-{rank}": "0" for rank in (0, 1)},
    }


def test_error_on_one_process_ends_another_inside_a_collective_operation(tmp_path: Path):
    body = """
import torch
torch.distributed.init_process_group('gloo')
def work(place):
    if processes.rank == 1:
        raise RuntimeError('rank one broke')
    torch.distributed.all_reduce(torch.ones(1))
store.run(stage, work, collective=True)
"""
    code, output, _ = launch(tmp_path, body)
    assert code != 0 and "rank one broke" in output


def in_two_threads(body: Callable[[DistributedProcesses], object]) -> list[object]:
    """Run `body` as both processes of a launch; gives what each returned or raised."""
    from torch.distributed import HashStore

    shared = HashStore()

    def outcome(rank: int) -> object:
        try:
            return body(DistributedProcesses(shared, rank, 2))
        except Exception as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(outcome, range(2), timeout=20))


STAGE = Stage("train", "teacher", 1, {"text": "ab"}, {})


def test_error_on_one_process_is_told_to_the_one_that_has_finished(tmp_path: Path):
    def body(processes: DistributedProcesses) -> object:
        def work(place: Path) -> None:
            if processes.rank == 1:
                raise RuntimeError("rank one broke")

        return StageStore(tmp_path).run(STAGE, work, processes=processes, collective=True)

    main, other = in_two_threads(body)
    assert isinstance(main, ProcessFailed) and str(main) == "process 1 failed: RuntimeError: rank one broke"
    assert type(other) is RuntimeError
    assert [stage.status for stage in StageStore(tmp_path).list_stages()] == ["partial"]
    assert not StageStore(tmp_path).list_stages()[0].locked


def test_error_of_the_main_process_is_told_to_the_one_that_waits(tmp_path: Path):
    def work(place: Path) -> None:
        raise KeyError("main broke")

    main, other = in_two_threads(lambda processes: StageStore(tmp_path).run(STAGE, work, processes=processes))
    assert type(main) is KeyError
    assert isinstance(other, ProcessFailed) and str(other) == "process 0 failed: KeyError: 'main broke'"


def test_refused_input_is_the_same_on_every_process_and_the_launch_can_go_on(tmp_path: Path):
    worked = []

    def refuse(place: Path) -> None:
        raise InputError("unknown tag", where="a.conll:3", remedy="mend it")

    def body(processes: DistributedProcesses) -> object:
        store = StageStore(tmp_path)
        with pytest.raises(InputError, match=r"^a\.conll:3: unknown tag; mend it$"):
            store.run(STAGE, refuse, processes=processes)
        return store.run(STAGE, lambda place: worked.append(processes.rank), processes=processes)

    place = StageStore(tmp_path).path(STAGE)
    assert in_two_threads(body) == [place, place] and worked == [0]
    assert [stage.status for stage in StageStore(tmp_path).list_stages()] == ["done"]


def test_process_without_the_shared_folder_is_told(tmp_path: Path):
    def body(processes: DistributedProcesses) -> object:
        store = StageStore(tmp_path / str(processes.rank))  # as on two machines
        return store.run(STAGE, lambda place: None, processes=processes, collective=True)

    main, other = in_two_threads(body)
    assert isinstance(main, ProcessFailed)
    assert isinstance(other, InputError) and "set HF_XNER_STORE to a folder that all machines share" in str(other)


def test_waiting_leaves_nothing_in_the_launchers_store():
    def body(processes: DistributedProcesses) -> object:
        values = [processes.broadcast(f"{turn} from {processes.rank}") for turn in range(5)]
        processes.barrier()
        return values, processes._store.num_keys()

    (main, keys), (other, _) = in_two_threads(body)
    assert main == other == [f"{turn} from 0" for turn in range(5)]
    assert keys == 0
