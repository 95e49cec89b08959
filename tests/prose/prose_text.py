"""Finds the sentences of Markdown pages, C++ comments, help texts and error texts. Code is no prose: inline code counts as one word."""
from __future__ import annotations

import ast
import dataclasses
import pathlib
import re
from collections.abc import Iterator

CODE = "`code`"
ABBREVIATIONS = ("e.g", "i.e", "etc", "vs", "cf", "No")
# Words that begin a sentence in lower case.
SMALL_BEGINNINGS = "torchferry|tritonclient|quickstart|buildah|gRPC|cuBLAS|perf_analyzer"
ENDS = re.compile(rf"(?<=[.!?…])[\"')\]*_]*\s+(?=[\"'(\[*_`]*(?:[A-Z0-9`]|(?:{SMALL_BEGINNINGS})\b))")
WORD = re.compile(r"[A-Za-z0-9`À-ÿ][\w`'’%/.,+*=^-]*")
LITERAL = r'"(?:[^"\\\n]|\\.)*"'
LITERALS = re.compile(rf"{LITERAL}(?:\s*{LITERAL})*")


@dataclasses.dataclass(frozen=True)
class Sentence:
    file: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        return WORD.findall(self.text)


def without_markup(text: str) -> str:
    """Inline code becomes one word, a link its text, an image nothing."""
    text = re.sub(r"<!--.*?-->", " ", text, flags=re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", text)
    text = re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"``.+?``|`[^`]+`", CODE, text)
    text = re.sub(r"<[^>]{1,200}>", " ", text)
    return re.sub(r"\s+", " ", text.replace("**", "").replace("\\|", "|")).strip()


def split_sentences(text: str) -> Iterator[str]:
    begin = 0
    for match in ENDS.finditer(text):
        before = text[begin:match.start()]
        if before.rstrip(".").rsplit(" ", 1)[-1].lstrip("(") in ABBREVIATIONS:
            continue
        yield before.strip()
        begin = match.end()
    if text[begin:].strip():
        yield text[begin:].strip()


@dataclasses.dataclass
class Block:
    line: int
    text: str


def markdown_blocks(text: str) -> Iterator[Block]:
    """Paragraphs, items of lists, cells of tables. Headings and fenced code are left out."""
    block, fence = None, None
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        mark = re.match(r"(`{3,}|~{3,})", stripped)
        if fence:
            if mark and stripped.startswith(fence):
                fence = None
            continue
        is_item = re.match(r"([-*+]|\d+\.)\s+", stripped)
        if mark or not stripped or is_item or stripped[0] in "#|<" or stripped.startswith(":::"):
            if block:
                yield block
            block = None
        if mark:
            fence = mark[1]
        elif stripped.startswith("|"):
            for cell in re.split(r"(?<!\\)\|", stripped.strip("|")):
                if not re.fullmatch(r"[\s:-]*", cell):
                    yield Block(number, cell)
        elif stripped and not stripped.startswith(("#", "<!--", "</", "<picture", "<source", "<img", "<p", ":::")):
            piece = stripped[is_item.end():] if is_item else stripped
            block = Block(block.line, f"{block.text} {piece}") if block else Block(number, piece)
    if block:
        yield block


def markdown_sentences(file: str, text: str) -> Iterator[Sentence]:
    text = re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    for block in markdown_blocks(text):
        for sentence in split_sentences(without_markup(block.text)):
            yield Sentence(file, block.line, sentence)


def comment_sentences(file: str, text: str) -> Iterator[Sentence]:
    """Of a C++ file: each run of // lines is a paragraph."""
    run, begin = [], 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        match = re.match(r"\s*///?(?!/)\s?(.*)$", line) or re.search(r"\s//\s(.*)$", line)
        is_own = match is not None and line.lstrip().startswith("//")
        if match and match[1].strip() and (is_own or not run):
            begin = begin or number
            run.append(match[1].strip())
            if is_own:
                continue
        if run:
            for sentence in split_sentences(re.sub(r"\bNOLINT\S*", "", " ".join(run))):
                if len(WORD.findall(sentence)) >= 3:
                    yield Sentence(file, begin, sentence)
        run, begin = [], 0


def unquote(literals: str) -> str:
    joined = "".join(literal[1:-1] for literal in re.findall(LITERAL, literals))
    return joined.replace('\\"', '"').replace("\\n", " ").replace("\\t", " ")


def literal_sentences(file: str, text: str, words: int) -> Iterator[Sentence]:
    """Texts of at least `words` words in a C++ file's string literals; neighbours are one text."""
    bare = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    for match in LITERALS.finditer(bare):
        said = re.sub(r"\{[^{}]*\}", "X", unquote(match[0]))
        if "::" in said or len(re.findall(r"\b[A-Za-z]{2,}\b", said)) < words:
            continue
        line = bare.count("\n", 0, match.start()) + 1
        for sentence in split_sentences(re.sub(r"\s+", " ", said).strip()):
            yield Sentence(file, line, sentence)


HELP_FILES = ("server/app/*flags.cc", "client/commands/*.cc", "client/text/*.cc", "client/main.cc")


def help_sentences(root: pathlib.Path) -> Iterator[Sentence]:
    """The help of both programs, from the calls that declare flags."""
    for pattern in HELP_FILES:
        for file in sorted(root.glob(pattern)):
            if file.stem.endswith("_test"):
                continue
            text = file.read_text(encoding="utf-8")
            for call in re.finditer(r"\b(?:Add|AddFlag|add_option|add_flag|add_subcommand|CLI::App app)\(", text):
                arguments = text[call.end():argument_end(text, call.end())]
                line = text.count("\n", 0, call.start()) + 1
                for sentence in literal_sentences(file.relative_to(root).as_posix(), arguments, 3):
                    yield dataclasses.replace(sentence, line=line + sentence.line - 1)


def argument_end(text: str, begin: int) -> int:
    """Where the bracket that was opened before `begin` closes."""
    depth, at = 1, begin
    while at < len(text) and depth:
        literal = re.compile(LITERAL).match(text, at)
        if literal:
            at = literal.end()
            continue
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at


def sources(root: pathlib.Path, suffix: str) -> Iterator[pathlib.Path]:
    for top in ("server", "client"):
        yield from (file for file in sorted((root / top).rglob(f"*{suffix}")) if not file.stem.endswith("_test"))


def header_sentences(root: pathlib.Path) -> Iterator[Sentence]:
    for file in sources(root, ".h"):
        yield from comment_sentences(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))


def docstring_sentences(root: pathlib.Path) -> Iterator[Sentence]:
    """Of the Python package, whose docstrings help() shows."""
    for file in sorted((root / "client" / "python" / "torchferry").rglob("*.py")):
        name = file.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                for sentence in markdown_sentences(name, text or ""):
                    yield dataclasses.replace(sentence, line=node.body[0].lineno + sentence.line - 1)


def error_sentences(root: pathlib.Path) -> Iterator[Sentence]:
    """Texts of six words or more in code that ships, less the help."""
    helps = {path for path in HELP_FILES if path.endswith(".cc")}
    for file in sources(root, ".cc"):
        name = file.relative_to(root).as_posix()
        if name not in helps and not name.startswith("client/commands"):
            yield from literal_sentences(name, file.read_text(encoding="utf-8"), 6)
