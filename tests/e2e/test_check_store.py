"""`torchferry-server --check STORE`: what a server would make of a store, said without one."""

import os
import re
import signal
import socket
import subprocess

import pytest

import harness
import stuck_models
from harness import Client, Code, check_message
from stores import Store
from test_bad_store import BAD, fill
from test_stuck import WARM_UP
from test_tuning import RECORD
from test_wrong_files import CODES, without_privileges
from wire import FIXTURES, pb
from wrong_files import COMPILED, WRONG

BINARY = "torchferry-server"
SERVES, REFUSES, FAILS, LEFT_OUT = "would serve", "refuses rows", "would fail", "not served"
MLP = 'name: "{}"\nmax_batch_size: 8\ninput {{ name: "x" data_type: TYPE_FP32 dims: [ {} ] }}\n'
COMPILED_BAD = {"writes_in_forward_py"}  # of BAD: what only compiling finds
# Which never take one of 16 elements.
PICKY = "def forward(self, x: Tensor) -> Tensor:\n    return x.reshape([-1, 7])\n"


class Checked:
    """What a run has printed: `lines` of the table by model and version, `texts` of what is said of each below it."""

    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr
        table, *blocks = stdout.rstrip("\n").split("\n\n")
        heading, *lines = table.splitlines()
        assert re.split("  +", heading) == ["MODEL", "VERSION", "RESULT", "DEVICE", "FORMAT", "WHAT"], stdout + stderr
        self.lines = {tuple(cells[:2]): cells[2:] for cells in (re.split("  +", line, maxsplit=5) for line in lines)}
        self.summary = blocks.pop()
        self.texts = {}
        for block in "\n\n".join(blocks).split("\n\nModel "):
            name, version = re.match(r"(?:Model )?([^,:]+)(?:, version (\d+))?: ", block).groups()
            self.texts[name, version or "-"] = block

    def result(self, model, version="1"):
        return self.lines[model, version][0]

    def what(self, model, version="1"):
        return self.lines[model, version][-1]


def run(*arguments, cwd=None, prefix=(), binary=BINARY):
    """(exit code, stdout, stderr); nothing of it may be running then."""
    command = [*prefix, str(harness.server_binary(binary)), *map(str, arguments)]
    with subprocess.Popen(command, env=harness.clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, cwd=cwd, start_new_session=True) as process:
        stdout, stderr = process.communicate(timeout=4 * harness.DEADLINE_SECONDS)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return process.returncode, stdout, stderr


def check(store, *flags, device="cpu", **options):
    before = store.snapshot()
    checked = Checked(*run("--check", store.path, "--device", device, *flags, **options))
    assert store.snapshot() == before, "it writes nothing"
    return checked


def words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("flags", [(), ("--load",)], ids=["plan", "load"])
def test_one_good_model_among_bad_ones(store, tmp_path, flags):
    fill(store)
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:  # which a server could not listen on
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        checked = check(store, *flags, "--grpc-address", address, "--metrics-address", address, cwd=cwd)
    print("\n" + checked.stdout)
    assert checked.code == 1
    served = 1 if flags else 1 + len(COMPILED_BAD)
    assert checked.summary == f"{served} of {len(BAD) + 1} would serve"
    assert checked.lines["good", "1"][:3] == [SERVES, "cpu", "torchscript"]
    for model, (code, fragments) in BAD.items():
        ((version, cells),) = [(v, cells) for (name, v), cells in checked.lines.items() if name == model]
        if model in COMPILED_BAD and not flags:
            check_message(checked.texts[model, version], f"only --load tells whether LibTorch compiles {model}/forward.py")
            continue
        assert cells == [FAILS, "-", "-", CODES[code]], model
        check_message(words(checked.texts[model, version]), *fragments)
    assert list(cwd.iterdir()) == [], "nothing that the files carry was run"
    loading = [line for line in checked.stderr.splitlines() if line.startswith("loading ")]
    assert len(loading) == (len(BAD) if flags else 0), checked.stderr  # all but the one whose config is wrong
    assert not flags or f"loading good/1 (4 of {len(BAD)})" in loading, loading


@pytest.fixture(scope="module")
def wrong_store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("check_wrong") / "store")
    store.add("mlp", "good")
    for name, wrong in {**WRONG, **COMPILED}.items():
        if name != "no_permission" or without_privileges() is not None:
            wrong.put(store.path / name)
    return store


def failed_of(checked):
    return {name for (name, _), cells in checked.lines.items() if cells[0] == FAILS}


def test_the_plan_alone_finds_what_is_wrong_with_a_file(wrong_store):
    checked = Checked(*run("--check", wrong_store.path, "--device", "cpu", prefix=without_privileges() or ()))
    wanted = {name for name in WRONG if (wrong_store.path / name).exists()}
    assert wanted <= failed_of(checked) and checked.code == 1
    assert checked.result("good") == SERVES
    for name in COMPILED:
        said = checked.texts[name, "1"]
        assert checked.result(name) == FAILS or "only --load tells whether LibTorch compiles" in said, said


def test_what_it_says_is_what_a_server_says(wrong_store, tmp_path):
    prefix = without_privileges() or ()
    checked = Checked(*run("--check", wrong_store.path, "--load", "--device", "cpu", prefix=prefix))
    with harness.serving(wrong_store, tmp_path / "server", "--device", "cpu", prefix=prefix) as server:
        server.wait_settled()
        with Client(server.address) as client:
            versions = {name: version for (name, _), version in client.models().items()}
    assert set(versions) == {name for name, _ in checked.lines}
    for name, version in versions.items():
        key = (name, str(version.model_version) if version.model_version else "-")
        if version.state == pb.MODEL_STATE_READY:
            assert checked.lines[key][0] == SERVES, name
            continue
        assert checked.lines[key][0] == FAILS and checked.lines[key][-1] == CODES[version.error_code], name
        assert words(version.error_message) in words(checked.texts[key]), name


def test_a_store_that_would_be_served_ends_with_0(store):
    store.add("mlp", versions=[1, 3])
    store.add("running_sum")
    store.add("mlp", "asks", extra_config='torchferry { optimize: "AUTO" }\n')
    (store.path / "docs").mkdir()
    checked = check(store, "--load")
    assert checked.code == 0, checked.stdout + checked.stderr
    assert checked.summary == "3 of 3 would serve; not served: 2"
    assert checked.result("mlp", "1") == LEFT_OUT and "version_policy" in checked.what("mlp", "1")
    assert checked.result("docs", "-") == LEFT_OUT and "docs/ is no model" in checked.what("docs", "-")
    for name, version in (("mlp", "3"), ("running_sum", "1"), ("asks", "1")):
        assert checked.result(name, version) == SERVES
    assert re.fullmatch(r"FP32, a row in \d+\.\d\d ms", checked.what("mlp", "3")), checked.stdout
    assert "keeps state" in checked.texts["running_sum", "1"]
    assert not list(store.path.rglob(RECORD)), "nothing is tuned"
    planned = check(store)
    assert planned.code == 0 and planned.what("mlp", "3") == "FP32"
    assert "loading takes up to" in planned.texts["mlp", "3"]
    assert "only --load tells whether LibTorch compiles" in planned.texts["mlp", "3"]


def test_what_the_owner_should_know_is_said_with_what_would_be_served(store):
    loader = FIXTURES / "loader"
    store.add_file("gpu_name", loader / "plain.pth", as_name="x_gpu.pth", forward_py=loader / "forward.py")
    model = store.add("mlp", extra_config="version_policy { specific { versions: [ 1, 7 ] } }\n")
    (model / "v2").mkdir()
    checked = check(store)
    assert checked.code == 0, checked.stdout
    check_message(checked.texts["gpu_name", "1"], "name says cuda")
    check_message(checked.texts["mlp", "1"], "warning: mlp/v2/ is ignored", "warning: version_policy names version 7")
    assert checked.what("mlp").endswith("2 warnings")


def test_a_model_that_refuses_its_row_would_not_serve(store):
    store.add_code("picky", PICKY, MLP.format("picky", 16))
    store.add_code("guessed", PICKY, MLP.format("guessed", -1))
    store.add_code("undeclared", PICKY)
    assert check(store).code == 0, "the plan does not know"
    checked = check(store, "--load")
    assert checked.code == 1 and checked.summary == "2 of 3 would serve"
    assert checked.result("picky") == REFUSES and "a row failed" in checked.what("picky")
    check_message(checked.texts["picky", "1"], "warning: it does not run on a row", "x FP32 [1, 16]")
    assert checked.result("guessed") == SERVES and "sizes that were a guess" in checked.what("guessed")
    assert checked.result("undeclared") == SERVES and "no row tried" in checked.what("undeclared")
    check_message(checked.texts["undeclared", "1"], "model_warmup can name a request")


def test_a_label_file_that_is_missing_is_found_by_the_plan(store):
    model = store.add("mlp")
    config = (model / "config.pbtxt").read_text().replace("dims: [ 3 ]", 'dims: [ 3 ] label_filename: "labels.txt"')
    (model / "config.pbtxt").write_text(config)
    for flags in ((), ("--load",)):
        checked = check(store, *flags)
        assert checked.code == 1 and checked.what("mlp") == Code.NOT_FOUND.name
        check_message(checked.texts["mlp", "1"], "mlp/labels.txt")


def test_the_device_counts(store):
    store.add("mlp")
    store.add("mlp", "strict", extra_config="torchferry { fallback: NONE }\n")
    for flags in ((), ("--load",)):
        checked = check(store, *flags, device=harness.ABSENT_DEVICE)
        assert checked.code == 1
        assert checked.lines["mlp", "1"][:2] == [SERVES, "cpu"]
        check_message(checked.what("mlp"), f"fallback from {harness.ABSENT_DEVICE}: ")
        assert checked.result("strict") == FAILS and harness.ABSENT_DEVICE in checked.texts["strict", "1"]


def test_models_that_are_named_alone(store):
    store.add("mlp")
    broken = store.add("mlp", "broken")
    (broken / "1" / "mlp.pt").write_bytes(b"no model")
    checked = check(store, "--model-control", "explicit", "--load-model", "mlp")
    assert checked.code == 0 and checked.result("broken", "-") == LEFT_OUT, checked.stdout


def test_a_load_that_does_not_end_is_given_up(store):
    stuck_models.add(store, "endless", stuck_models.load_limit(1) + WARM_UP, stuck_models.LOOPS_WITH_ZEROS)
    store.add("mlp")
    checked = check(store, "--load")
    assert checked.code == 1 and checked.result("mlp") == SERVES
    assert checked.what("endless") == Code.DEADLINE_EXCEEDED.name
    check_message(checked.texts["endless", "1"], "the load does not end", "load_timeout_seconds")


def test_an_interrupt_ends_it_at_once(store):
    stuck_models.add(store, "endless", WARM_UP, stuck_models.LOOPS_WITH_ZEROS)
    command = [str(harness.server_binary(BINARY)), "--check", str(store.path), "--load", "--device", "cpu"]
    with subprocess.Popen(command, env=harness.clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "loading endless/1 (1 of 1)\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(harness.DEADLINE_SECONDS) == -signal.SIGINT
        assert not process.stdout.read()


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (("--check", "."), 1, "has no model to check; expected NAME/VERSION/FILE"),
    (("--check", "absent"), 2, "absent"),
    (("--check", "file"), 2, "file"),
    (("--check", ".", "--tune", "."), 2, "--check: and --tune are two runs"),
    (("--model-store", ".", "--load"), 2, "--load: has no effect without --check"),
    (("--check", ".", "--model-control", "explicit", "--load-model", "gone"), 1, 'no model "gone"'),
    (("--check", ".", "--device", "tpu"), 2, "tpu"),
])
def test_what_cannot_be_is_said(tmp_path, arguments, code, said):
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "file").write_text("no store")
    # From the folder of the store, or from the one that it lies in.
    cwd = tmp_path if arguments[1] == "file" else empty
    got, stdout, stderr = run(*arguments, cwd=cwd)
    assert got == code and said in stderr and not stdout, stderr
