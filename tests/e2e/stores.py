"""Model stores in temporary folders, filled from the fixtures and the sample store."""

import os
import pathlib
import re
import shutil

from wire import FIXTURES, REPO

SAMPLES = REPO / "model_store"


class Store:
    """A model store in a temporary folder, filled from the fixtures."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    def add(self, source, name=None, extra_config="", versions=None):
        """A model folder of the fixtures, or a path to one; under another name, with further config lines, or with its
        one version served under other numbers."""
        folder = source if isinstance(source, pathlib.Path) else FIXTURES / source
        name = name or folder.name
        target = self.path / name
        shutil.copytree(folder, target)
        config = target / "config.pbtxt"
        if config.exists():
            text = re.sub(r'^name: ".*"$', f'name: "{name}"', config.read_text(), flags=re.MULTILINE)
            config.write_text(text + extra_config)
        else:
            assert not extra_config, f"{source} has no config.pbtxt to extend"
        if versions:
            (target / "1").rename(target / "original")
            for version in versions:
                shutil.copytree(target / "original", target / str(version))
            shutil.rmtree(target / "original")
        return target

    def add_file(self, name, file, as_name="model.pt", **others):
        """A model whose version 1 is `file`; `others` are further files of its folder, by name without the suffix:
        forward_py=PATH."""
        version = self.path / name / "1"
        version.mkdir(parents=True)
        shutil.copy(file, version / as_name)
        for key, path in others.items():
            shutil.copy(path, self.path / name / key.replace("_", "."))
        return self.path / name

    def add_code(self, name, forward, config=""):
        """A model of that forward.py, over weights that it need not use."""
        version = self.path / name / "1"
        version.mkdir(parents=True)
        shutil.copy(FIXTURES / "mlp_cuda" / "1" / "resnet18_gpu.pth", version / "weights.pth")
        (self.path / name / "forward.py").write_text(forward)
        if config:
            (self.path / name / "config.pbtxt").write_text(config)

    def snapshot(self):
        """Every file with its bytes."""
        return {str(f.relative_to(self.path)): f.read_bytes() for f in sorted(self.path.rglob("*")) if f.is_file()}


def add_sample(store, name, file):
    """A model of the sample store; its weights are fetched by version and sha256, never committed.
    None when they were not fetched and that is allowed."""
    if (SAMPLES / name / "1" / file).exists():
        return store.add(SAMPLES / name)
    if os.environ.get("CI") or os.environ.get("TORCHFERRY_REQUIRE_SAMPLES"):
        raise AssertionError(f"model_store/{name}/1/{file} was not fetched: run deploy/fetch-samples.sh")
    return None
