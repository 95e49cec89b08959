"""The list of refusals in server/docs is what the source says, and each has a way out or a reason for none."""

import pathlib
import subprocess
import sys

import pytest

from wire import REPO

SCRIPT = REPO / "tests" / "refusals.py"
sys.path.insert(0, str(SCRIPT.parent))
import refusals  # noqa: E402


def test_list_is_what_the_source_says():
    run = subprocess.run([sys.executable, SCRIPT], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert len(refusals.refusals()) > 250


@pytest.mark.parametrize("source,message", [
    ('return absl::InvalidArgumentError("is a file of the wrong sort");', "is a file of the wrong sort"),
    ('return base::MakeStatus(absl::StatusCode::kFailedPrecondition,\n    "{}: does not "\n    "fit", name);', "{}: does not fit"),
    ('Magic{"WRONG"sv, StatusCode::kInvalidArgument,\n      "is wrong"},', "is wrong"),
    ('return base::MakeStatus(is_x ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kDataLoss,\n "is neither");', "is neither"),
])
def test_new_message_without_a_way_out_is_seen(tmp_path, monkeypatch, source, message):
    folder = tmp_path / "server" / "checkpoint"
    folder.mkdir(parents=True)
    (folder / "new.cc").write_text("absl::Status Refuse() {\n  " + source + "\n}\n")
    monkeypatch.setattr(refusals, "ROOT", pathlib.Path(tmp_path))
    ((where, code, found),) = refusals.refusals()
    assert (where, found) == ("server/checkpoint", message)
    assert refusals.way_out(code, found) is None
    assert refusals.way_out("DATA_LOSS", found) == refusals.DAMAGE
    assert refusals.way_out(code, found + "; save it again") == "in the message"
