"""A repository of the Hugging Face hub: hf://ORG/REPO@REVISION."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence
from typing import Any

from torchferry._pull_local import copy_file
from torchferry._pull_optional import require
from torchferry._pull_types import Fetch, Origin, PullError, SourceFile

FORM = re.compile(r"hf://(?P<repo>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[^@\s]+))?")


class HubRepository:
    """A repository as a source. `source` has the form above; without a revision it is the main branch.

    files() finds the commit of the revision, and all files are fetched from that commit. They come through the hub's
    cache on this host ($HF_HOME). HF_TOKEN or the token of `hf auth login` gives access.
    """

    is_one_file = False

    def __init__(self, source: str) -> None:
        match = FORM.fullmatch(source)
        if match is None:
            raise PullError(f"{source!r} is no repository; expected hf://ORG/REPO or hf://ORG/REPO@REVISION")
        self._shown = source
        self._repo = match["repo"]
        self._revision = match["revision"]
        self._commit = ""
        self._hub = require("huggingface_hub", "huggingface_hub", "hf://")
        self._errors = require("huggingface_hub.errors", "huggingface_hub", "hf://")

    def files(self) -> Sequence[SourceFile]:
        info = self._call(
            lambda: self._hub.HfApi().model_info(self._repo, revision=self._revision, files_metadata=True)
        )
        if not isinstance(info.sha, str) or not re.fullmatch("[0-9a-f]{40}", info.sha):
            raise PullError(
                f"{self._shown}: the hub does not say which commit this is, but {info.sha!r}; try again later"
            )
        self._commit = info.sha
        return [
            SourceFile(file.rfilename, file.size, None if file.lfs is None else file.lfs.sha256)
            for file in info.siblings or []
        ]

    def origin(self) -> Origin:
        return Origin(f"hf://{self._repo}@{self._commit}")

    def fetch(self, file: SourceFile, how: Fetch) -> str:
        path = self._call(lambda: self._hub.hf_hub_download(self._repo, file.path, revision=self._commit))
        return copy_file(pathlib.Path(path), how)

    def _call(self, ask: Any) -> Any:
        """The result of `ask`. Raises PullError for every error of the hub, or of the connection to it."""
        errors = self._errors
        try:
            return ask()
        except errors.GatedRepoError:
            what = "is gated: ask for access on its page, then run hf auth login or set HF_TOKEN"
        except errors.RepositoryNotFoundError:
            what = "the hub has no such repository, or it is private: look at the name, or run hf auth login"
        except errors.RevisionNotFoundError:
            what = f"the repository has no revision {self._revision!r}; give a branch, a tag or a commit"
        except errors.LocalEntryNotFoundError as error:
            what = f"the hub cannot be reached, and the file is not in its cache on this host ({first_line(error)})"
        except errors.HfHubHTTPError as error:
            what = f"the hub answered with an error: {first_line(error)}"
            if getattr(getattr(error, "response", None), "status_code", None) in (401, 403):
                what += "; run hf auth login, or set HF_TOKEN"
        except Exception as error:
            # The hub's HTTP library raises these: a refused connection, a wrong answer. That library may change.
            what = f"the hub cannot be reached: {type(error).__name__}: {first_line(error)}; try again later"
        raise PullError(f"{self._shown}: {what}")


def first_line(error: Exception) -> str:
    """The first line of the exception's message; its class where it has no message."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
