"""The report of `save`: sentences that it collects and logs, and the error that it raises."""

from __future__ import annotations

import logging
import re

LOGGER = logging.getLogger("torchferry")

# The max length of a reason. A longer message of PyTorch is cut: its first sentence says what is wrong.
_MAX_REASON = 400
# Names of exceptions that add nothing to the message.
_PLAIN_NAMES = ("", "RuntimeError", "UserError", "UserWarning", "TracerWarning")


class SaveError(RuntimeError):
    """The model was not saved, and the store has no new version. The message says why and what to do.

    `sentences` has the facts that were found out before, one in each.
    """

    def __init__(self, message: str, sentences: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.sentences = sentences


class Report:
    """The sentences of one `save`, in order, each once. Each is logged at INFO or WARNING when it is added."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(self._sentences)

    def say(self, sentence: str) -> None:
        self._add(sentence, logging.INFO)

    def warn(self, sentence: str) -> None:
        self._add(sentence, logging.WARNING)

    def _add(self, sentence: str, level: int) -> None:
        if sentence not in self._sentences:
            self._sentences.append(sentence)
            LOGGER.log(level, "%s", sentence)


def reason_of(error: BaseException | str) -> str:
    """The beginning of an exception's or a warning's text, in one line. PyTorch's texts begin with the reason and go on
    for pages."""
    lines = [line.strip() for line in str(error).splitlines()]
    paragraph: list[str] = []
    for line in lines:
        if paragraph and (not line or len(" ".join(paragraph)) > _MAX_REASON):
            break
        if line:
            paragraph.append(line)
    text = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(paragraph))
    text = re.sub(r"For more information, run with TORCH_LOGS=\S+", "", text)
    text = re.sub(r"\s+", " ", text).replace("! .", ":").strip(" :.-")
    if len(text) > _MAX_REASON:
        text = text[:_MAX_REASON].rsplit(" ", 1)[0] + " …"
    name = "" if isinstance(error, str) else type(error).__name__
    if not text:
        return name
    return text if name in _PLAIN_NAMES else f"{name}: {text}"
