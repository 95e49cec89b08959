"""Models that keep state, at the command line: `torchferry predict --stream`."""

import json
import runpy
import sys

import numpy as np
import pytest

import harness
from harness import cli
from stateful import STEPS, audio, expected, server  # noqa: F401  (two of them are fixtures)
from wire import assert_close


@pytest.fixture
def speech(audio, tmp_path):
    file = tmp_path / "speech.npy"
    np.save(file, audio[0][:, None])  # [STEPS, 1, 512]
    return file


def test_cli_streams_a_file_and_prints_a_line_a_step(server, speech):
    run = cli(server.address, "predict", "silero_vad", f"x=@{speech}", "sr=16000", "--stream")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == STEPS + 1
    assert lines[0].startswith("step  0  probability [[0.0"), lines[0]
    assert f"{STEPS} steps" in lines[-1] and "device " in lines[-1]


def test_cli_streams_json_lines_that_equal_pytorch(server, speech):
    run = cli(server.address, "predict", "silero_vad", f"x=@{speech}", "sr=16000", "--stream", "--json")
    assert run.returncode == 0, run.stderr
    documents = [json.loads(line) for line in run.stdout.splitlines()]
    assert [d["step"] for d in documents] == list(range(STEPS))
    heard = np.array([d["outputs"]["probability"]["values"][0][0] for d in documents], np.float32)
    assert_close(heard, expected("probability")[0])


def test_cli_stream_goes_on_after_a_step_that_failed(server):
    run = cli(server.address, "predict", "running_sum", "x=[[1], [-2], [3]]", "--stream", "--json")
    assert run.returncode == 1
    documents = [json.loads(line) for line in run.stdout.splitlines()]
    assert documents[1]["step"] == 1 and documents[1]["error"]["code"] == "INTERNAL"
    assert "x is negative" in documents[1]["error"]["message"]
    assert [d["outputs"]["sum"]["values"] for d in (documents[0], documents[2])] == [[[1001.0]], [[2002.0]]]


def test_cli_shows_which_models_keep_state(server):
    shown = {line.split()[0]: line for line in cli(server.address, "models").stdout.splitlines() if line.split()}
    assert "stateful" in shown["running_sum"] and "stateful" not in shown["mlp"]
    details = cli(server.address, "model", "running_sum").stdout
    assert "keeps state: forward writes to self.sum" in details or "keeps state: forward assigns self.calls" in details
    document = json.loads(cli(server.address, "model", "running_sum", "--json").stdout)
    assert document["versions"][0]["stateful"] is True


def test_example_of_the_readme_hears_the_speech_and_the_silence(server, audio, tmp_path):
    """client/examples/synthesise_speech.py: 1 s of silence, 1 s of speech, 1 s of silence, in windows of 32 ms."""
    file = tmp_path / "speech.npy"
    script = harness.REPO / "client" / "examples" / "synthesise_speech.py"
    arguments, sys.argv = sys.argv, [str(script), str(file)]
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv = arguments
    run = cli(server.address, "predict", "silero_vad", f"x=@{file}", "sr=16000", "--stream", "--json")
    assert run.returncode == 0, run.stderr
    heard = np.array([json.loads(line)["outputs"]["probability"]["values"][0][0] for line in run.stdout.splitlines()])
    assert heard.shape == (94,)
    assert heard[:31].max() < 0.3 and heard[33:62].min() > 0.5 and heard[68:].max() < 0.3, heard.round(2)
