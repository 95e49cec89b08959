"""Repositories of the Hugging Face hub, of a stand-in that speaks its routes. Skipped without huggingface_hub."""

import importlib.util
import json
import os
import subprocess
import sys
import urllib.parse

import pull_files
import pull_web
import pytest
from pull_files import landed, sha256

if importlib.util.find_spec("huggingface_hub") is None:
    pytest.skip("huggingface_hub is not installed", allow_module_level=True)

COMMIT = "c0ffee" + "0" * 34
OTHER = "beef" + "0" * 36


class Hub:
    """Repositories: by name, revisions: by name, the commit and its files."""

    def __init__(self, web, home):
        self.web = web
        self.home = home
        self.store = home / "store"
        self.store.mkdir()

    def add(self, repo, files, revision="main", commit=COMMIT, lfs=(), **wrong):
        """`lfs`: files of which the hub says the SHA-256; `wrong`: what it says in its place."""
        siblings = []
        for name, content in files.items():
            sibling = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
            if name in lfs:
                sibling["lfs"] = {
                    "size": len(content),
                    "sha256": wrong.get("sha256", sha256(content)),
                    "pointerSize": 130,
                }
            siblings.append(sibling)
            headers = {"ETag": f'"{sha256(content)[:40]}"', "X-Repo-Commit": commit}
            self.web.serve(f"/{repo}/resolve/{commit}/{urllib.parse.quote(name)}", pull_web.whole(content, **headers))
        info = json.dumps(
            {
                "_id": "1",
                "id": repo,
                "modelId": repo,
                "sha": wrong.get("sha", commit),
                "private": False,
                "siblings": siblings,
                "tags": [],
                "downloads": 0,
            }
        ).encode()
        for name in (revision, commit):
            self.web.serve(
                f"/api/models/{repo}/revision/{name}", pull_web.whole(info, **{"Content-Type": "application/json"})
            )
        if revision == "main":
            self.web.serve(f"/api/models/{repo}", pull_web.whole(info, **{"Content-Type": "application/json"}))

    def refuse(self, path, code, error):
        self.web.serve(path, pull_web.status(code, **({"X-Error-Code": error} if error else {})))

    def pull(self, *arguments, endpoint=None):
        """The exit status and the standard error."""
        package = str(pull_files.REPO / "client" / "python")
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment |= {
            "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]),
            "HF_ENDPOINT": endpoint or self.web.url,
            "HF_HOME": str(self.home / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        environment.pop("HF_TOKEN", None)
        environment.pop("HF_HUB_OFFLINE", None)
        run = subprocess.run(
            [sys.executable, "-m", "torchferry._pull", *map(str, arguments)],
            env=environment,
            timeout=120,
            capture_output=True,
            text=True,
            check=False,
        )
        return run.returncode, run.stderr


@pytest.fixture
def hub(tmp_path):
    with pull_web.web_server() as web:
        yield Hub(web, tmp_path)


def origin(store, version="m/1"):
    return json.loads((store / version / "torchferry.json").read_text())["origin"]


def test_sharded_weights_land_with_their_index(hub):
    files = pull_files.shards()
    hub.add("org/net", files, lfs=[name for name in files if name.endswith(".safetensors")])
    status, err = hub.pull("hf://org/net", hub.store / "m")
    assert status == 0, err
    assert "left out 3 files" in err and "these are weights alone" in err
    found = landed(hub.store)
    passport = found.pop("m/1/torchferry.json")
    names = ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert found == {f"m/1/{name}": files[name] for name in names}
    # As the server has it of several files: one behind the other.
    digest = sha256(b"".join(files[name] for name in names))
    assert json.loads(passport)["origin"] == {"source": f"hf://org/net@{COMMIT}", "sha256": digest}


def test_a_revision_is_resolved_to_its_commit(hub):
    hub.add("org/net", {"model.safetensors": pull_files.safetensors({"old": 1.0})})
    hub.add(
        "org/net",
        {"model.safetensors": pull_files.safetensors({"new": 1.0}), "forward.py": b"def forward(self, x): x"},
        revision="v2",
        commit=OTHER,
    )
    status, err = hub.pull("hf://org/net@v2", hub.store / "m")
    assert status == 0, err
    assert origin(hub.store)["source"] == f"hf://org/net@{OTHER}"
    assert set(landed(hub.store)) == {f"m/1/{name}" for name in ("model.safetensors", "forward.py", "torchferry.json")}
    assert "these are weights alone" not in err
    assert hub.pull("hf://org/net", hub.store / "m")[0] == 0
    assert b"old" in landed(hub.store)["m/2/model.safetensors"]


def test_what_the_hub_says_of_a_file_must_hold(hub):
    hub.add("org/net", {"model.safetensors": pull_files.safetensors()}, lfs=["model.safetensors"], sha256="0" * 64)
    status, err = hub.pull("hf://org/net", hub.store / "m")
    assert status == 1
    assert f"and {'0' * 64} was expected; it is not the file that was published" in err
    assert landed(hub.store) == {}


def test_patterns_choose_among_models(hub):
    hub.add(
        "org/net",
        {
            "unet/model.safetensors": pull_files.safetensors({"u": 1.0}),
            "vae/model.safetensors": pull_files.safetensors({"v": 1.0}),
        },
    )
    status, err = hub.pull("hf://org/net", hub.store / "m")
    assert (status, landed(hub.store)) == (1, {})
    assert f"hf://org/net@{COMMIT}: has models in 2 folders" in err
    assert hub.pull("hf://org/net", hub.store / "m", "--include", "vae/*")[0] == 0
    assert b'"v"' in landed(hub.store)["m/1/model.safetensors"]


def test_a_whole_model_is_refused_and_not_run(hub):
    hub.add("org/net", {"pytorch_model.bin": pull_files.whole_model(hub.home / "run")})
    status, err = hub.pull("hf://org/net", hub.store / "m")
    assert (status, landed(hub.store)) == (1, {})
    assert "is a pickle of a whole object, of the class posix.mkdir" in err and "torchferry convert" in err
    assert not (hub.home / "run").exists()


def test_the_size_is_bounded(hub):
    files = pull_files.shards()
    hub.add("org/net", files)
    size = sum(len(content) for name, content in files.items() if name.startswith("model"))
    status, err = hub.pull("hf://org/net", hub.store / "m", "--max-size", f"{size - 1}")
    assert (status, landed(hub.store)) == (1, {})
    assert "left of --max-size" in err
    # Before anything but the index is fetched.
    assert not any("safetensors" in path and not path.endswith(".json") for path, _ in hub.web.requests)
    assert hub.pull("hf://org/net", hub.store / "m", "--max-size", f"{size}")[0] == 0


@pytest.mark.parametrize(
    "code,error,message",
    [
        (404, "RevisionNotFound", "the repository has no revision 'v9'"),
        (404, "RepoNotFound", "the hub has no such repository, or it is private"),
        (401, "", "the hub answered with an error: "),
        (403, "GatedRepo", "is gated: ask for access on its page, then run hf auth login"),
        (400, "", "the hub answered with an error"),
    ],
)
def test_what_the_hub_refuses_is_said(hub, code, error, message):
    hub.refuse("/api/models/org/net/revision/v9", code, error)
    status, err = hub.pull("hf://org/net@v9", hub.store / "m")
    assert (status, landed(hub.store)) == (1, {})
    assert f"hf://org/net@v9: {message}" in err
    assert "Traceback" not in err
    assert ("hf auth login" in err) == (code in (401, 403) or error == "RepoNotFound")


def test_a_file_that_is_gone_is_said(hub):
    files = pull_files.shards()
    hub.add("org/net", files)
    hub.refuse(f"/org/net/resolve/{COMMIT}/model-00002-of-00002.safetensors", 404, "EntryNotFound")
    status, err = hub.pull("hf://org/net", hub.store / "m")
    assert (status, landed(hub.store)) == (1, {})
    assert "torchferry pull: hf://org/net: the hub" in err and "Traceback" not in err


def test_no_hub_is_said(hub):
    status, err = hub.pull("hf://org/net", hub.store / "m", endpoint="http://127.0.0.1:1")
    assert (status, landed(hub.store)) == (1, {})
    assert "the hub cannot be reached" in err and "Traceback" not in err


def test_a_commit_that_is_none_is_refused(hub):
    hub.add("org/net", pull_files.shards(), sha="../../x")
    status, err = hub.pull("hf://org/net", hub.store / "m")
    assert (status, landed(hub.store)) == (1, {})
    assert "does not say which commit this is, but '../../x'" in err


def test_a_file_name_that_leads_elsewhere_is_refused(hub):
    hub.add("org/net", {"../../../outside.safetensors": pull_files.safetensors()})
    status, err = hub.pull("hf://org/net", hub.store / "m")
    assert "Traceback" not in err
    assert not any("outside" in name for name in landed(hub.home) if not name.startswith(("store/m/1", "hf/")))
    assert status in (0, 1)  # by the hub's own library
