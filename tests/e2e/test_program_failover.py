"""The fault table of test_failover.py with torch.export programs: they move as every model does. One of the programs was exported on
a GPU."""

import pytest

import exported_programs
from exported_programs import cases_of
from stores import Store
from test_failover import OWN, SCENARIOS, Load, check_scenario
from wire import array

PROGRAMS = {"net": "cuda0", "lstm": "cpu"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return exported_programs.unpacked(tmp_path_factory.mktemp("files"), "programs")


@pytest.mark.parametrize("title", SCENARIOS)
def test_no_request_to_a_program_fails(title, files, tmp_path):
    store = Store(tmp_path / "store")
    for name, place in PROGRAMS.items():
        model = store.add_file(name, files / f"{name}.{place}.FP32.pt2", "model.pt2")
        # Nothing but the device: the signature and the batches are the program's.
        (model / "config.pbtxt").write_text(OWN.format(SCENARIOS[title].device))
    cases = {name: cases_of(files / f"{name}.FP32.npz") for name in PROGRAMS}

    class ProgramLoad(Load):
        def request(self, number):
            model = list(PROGRAMS)[number % len(PROGRAMS)]
            case = cases[model]["7" if number % 3 else "1"]
            return model, {name: array(message) for name, message in case.inputs.items()}, case.fp32

    check_scenario(title, tmp_path, store, PROGRAMS, ProgramLoad)
