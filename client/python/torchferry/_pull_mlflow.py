"""A model of an MLflow registry, mlflow:/models:/NAME/VERSION, or files that a run logged, mlflow:/runs:/ID/PATH."""

from __future__ import annotations

import functools
import math
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from torchferry._pull_http import public_url
from torchferry._pull_hub import first_line
from torchferry._pull_local import copy_file
from torchferry._pull_optional import require
from torchferry._pull_types import Fetch, Origin, PullError, SourceFile

# A path may follow a model's version.
MODEL = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/]+))(?P<path>/.+)?")
RUN = re.compile(r"runs:/(?P<run>[^/]+)/(?P<path>.+)")
# Max files and folders that are looked through.
MAX_ENTRIES = 10_000


class MlflowArtifacts:
    """Artifacts of MLflow as a source. `source` has one of the forms above, or mlflow:/models:/NAME@ALIAS.

    MLFLOW_TRACKING_URI names the tracking server or file store. The model's files are copied. Its code is neither run
    nor imported.
    """

    is_one_file = False

    def __init__(self, source: str, scratch: pathlib.Path) -> None:
        self._shown = source
        self._scratch = scratch
        self._uri = source.removeprefix("mlflow:/").lstrip("/").rstrip("/")
        self._model, self._run = MODEL.fullmatch(self._uri), RUN.fullmatch(self._uri)
        if self._model is None and self._run is None:
            raise PullError(
                f"{source!r} is no model of MLflow; expected mlflow:/models:/NAME/VERSION, "
                "mlflow:/models:/NAME@ALIAS or mlflow:/runs:/RUN_ID/PATH"
            )
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._mlflow = require("mlflow", "mlflow", "mlflow:/")
        self._artifacts = require("mlflow.artifacts", "mlflow", "mlflow:/")
        # The root that the files' paths are relative to, and the requested path below it.
        self._root, self._path = "", ""
        self._origin = Origin("")

    def files(self) -> Sequence[SourceFile]:
        self._call(self._resolve)
        found: list[SourceFile] = []
        seen = 0
        folders = [self._path]
        while folders:
            entries = self._call(functools.partial(self._list, folders.pop()))
            seen += len(entries)
            if seen > MAX_ENTRIES:
                raise PullError(f"{self._shown}: has more than {MAX_ENTRIES} files; give the path of the model alone")
            folders += [entry.path for entry in entries if entry.is_dir]
            found += [SourceFile(entry.path, entry.file_size) for entry in entries if not entry.is_dir]
        if not found and self._path:  # the path of one file
            parent = self._path.rpartition("/")[0]
            found = [
                SourceFile(entry.path, entry.file_size)
                for entry in self._call(functools.partial(self._list, parent))
                if entry.path == self._path and not entry.is_dir
            ]
        if not found:
            raise PullError(f"{self._shown}: MLflow has no file there; look at the path")
        return sorted(found, key=lambda file: file.path)

    def origin(self) -> Origin:
        return self._origin

    def fetch(self, file: SourceFile, how: Fetch) -> str:
        path = self._call(
            lambda: self._artifacts.download_artifacts(
                artifact_uri=f"{self._root}/{file.path}", dst_path=str(self._scratch)
            )
        )
        try:
            return copy_file(pathlib.Path(path), how)
        finally:
            pathlib.Path(path).unlink()

    def _list(self, folder: str) -> list[Any]:
        if self._run is not None:
            return list(self._artifacts.list_artifacts(run_id=self._run["run"], artifact_path=folder or None))
        uri = f"{self._root}/{folder}" if folder else self._root
        return list(self._artifacts.list_artifacts(artifact_uri=uri))

    def _resolve(self) -> None:
        client = self._mlflow.MlflowClient()
        if self._run is not None:
            self._root, self._path = f"runs:/{self._run['run']}", self._run["path"]
            self._origin = self._origin_of(client, f"mlflow:/{self._uri}", self._run["run"])
            return
        assert self._model is not None
        name, version, alias = self._model["name"], self._model["version"], self._model["alias"]
        found = (
            client.get_model_version(name, version) if alias is None else client.get_model_version_by_alias(name, alias)
        )
        self._root, self._path = f"models:/{name}/{found.version}", (self._model["path"] or "").strip("/")
        source = f"mlflow:/{self._root}" + (f"/{self._path}" if self._path else "")
        self._origin = self._origin_of(client, source, found.run_id)

    def _origin_of(self, client: Any, source: str, run_id: str | None) -> Origin:
        if not run_id:
            return Origin(source)
        metrics = client.get_run(run_id).data.metrics
        return Origin(source, run_id, {key: value for key, value in metrics.items() if math.isfinite(value)})

    def _place(self) -> str:
        """The address of the tracking server, without a password."""
        uri = str(self._mlflow.get_tracking_uri())
        return public_url(uri) if "://" in uri else uri

    def _call(self, ask: Any) -> Any:
        """The result of `ask`. Raises PullError for every error of MLflow, or of the connection to it."""
        try:
            return ask()
        except PullError:
            raise
        except self._mlflow.exceptions.MlflowException as error:
            raise PullError(
                f"{self._shown}: MLflow at {self._place()}: {first_line(error)}; MLFLOW_TRACKING_URI names another one"
            ) from None
        except Exception as error:
            # An error of one of its stores. Each store uses another library.
            raise PullError(
                f"{self._shown}: MLflow at {self._place()}: {type(error).__name__}: {first_line(error)}"
            ) from None
