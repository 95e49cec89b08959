#!/usr/bin/env python3
"""Makes what mkdocs reads: the pages of the repository in a folder, with their links to each other kept, and mkdocs.yml.

    site_sources.py FOLDER            makes the sources
    site_sources.py --finish SITE     makes the built site work without a network: no page names a script elsewhere

Links to files that are no pages (sources, scripts) become plain text with the file's path: the site has no copy of them.
"""
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Sections of the menu, each with its folder and the order of the pages that come first.
SECTIONS = {
    "Guide": ("server/docs/guide", ("cli", "python", "saving", "model-store", "programs", "state-dicts", "forward", "inputs-and-outputs", "batching",
                                    "stateful", "passport", "inspect", "bench", "grpc", "open-inference", "handing-over")),
    "Operations": ("server/docs/operations", ("packages", "image", "deployment", "devices", "precision", "loading", "tuning", "lifecycle", "health",
                                              "stuck", "security", "attacks", "checking", "gpu-check")),
    "Reference": ("server/docs/reference", ("flags", "config", "metrics", "errors", "exit-codes", "request-limits", "refusals")),
    "Decisions": ("server/docs/adr", ()),
}
SINGLE = {"README.md": "index.md", "server/docs/benchmarks.md": None, "CHANGELOG.md": None, "SECURITY.md": None, "CONTRIBUTING.md": None,
          "server/README.md": "server/inside.md", "deploy/envoy/README.md": "deploy/envoy.md"}
THEIR_WORKER = "https://unpkg.com/iframe-worker/shim"
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
SETTINGS = """site_name: torchferry
site_description: A gRPC inference server for PyTorch models
docs_dir: docs
use_directory_urls: false
theme:
  name: material
  font: false
  features: [navigation.sections, navigation.top, search.suggest, search.highlight, content.code.copy, toc.follow]
  palette:
    - {media: "(prefers-color-scheme: light)", scheme: default, primary: indigo, toggle: {icon: material/weather-night, name: Dark}}
    - {media: "(prefers-color-scheme: dark)", scheme: slate, primary: indigo, toggle: {icon: material/weather-sunny, name: Light}}
plugins: [search, offline]
markdown_extensions: [admonition, attr_list, md_in_html, tables, sane_lists, toc: {permalink: true}, pymdownx.highlight, pymdownx.superfences]
validation: {links: {absolute_links: warn, unrecognized_links: warn, anchors: warn}, nav: {omitted_files: warn}}
"""


def ordered(folder: str, first: tuple[str, ...]) -> list[str]:
    names = sorted(page.stem for page in (ROOT / folder).glob("*.md"))
    return [f"{folder}/{name}.md" for name in (*(name for name in first if name in names), *(name for name in names if name not in first))]


def targets() -> dict[str, str]:
    """Page of the repository → its place in the site's sources."""
    placed = {page: place or page for page, place in SINGLE.items()}
    for folder, first in SECTIONS.values():
        placed |= {page: page.removeprefix("server/docs/") for page in ordered(folder, first)}
    placed["server/docs/benchmarks.md"] = "benchmarks.md"
    return placed


def rewritten(page: str, text: str, placed: dict[str, str]) -> str:
    """The page's text with links to where pages stand in the site; links to other files as text."""
    here = pathlib.PurePosixPath(placed[page]).parent

    def relative(place: str) -> str:
        return os.path.relpath(place, here)

    def link(match: re.Match[str]) -> str:
        mark, said, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(page), path))
        if file in placed:
            return f"{mark}[{said}]({relative(placed[file])}{'#' + anchor if anchor else ''})"
        if file == "server/docs/adr":
            return f"[{said}]({relative(placed[ordered('server/docs/adr', ())[0]])})"
        if not (ROOT / file).exists():
            return match[0]  # mkdocs says so
        return f"{said} (`{file}`)"

    text = re.sub(r'(src|srcset)="server/docs/(pictures/[^"]+)"', r'\1="\2"', text)
    text = re.sub(r"<!-- *(example|setup|check)\b.*?-->\n?", "", text, flags=re.DOTALL)
    parts = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)


def title(page: str) -> str:
    heading = re.search(r"^# (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    return heading[1].replace("`", "").replace('"', "'") if heading else page


def menu(placed: dict[str, str]) -> str:
    lines = ["nav:", "  - Start: index.md"]
    for section, (folder, first) in SECTIONS.items():
        lines.append(f"  - {section}:")
        lines += [f'    - "{title(page)}": {placed[page]}' for page in ordered(folder, first)]
    lines += [f'  - "{title(page)}": {placed[page]}' for page in SINGLE if page != "README.md"]
    return "\n".join(lines) + "\n"


def finish(site: pathlib.Path) -> None:
    """Puts our script in place of the one that the theme takes from the net. Fails when a page still names a script elsewhere."""
    (site / "assets" / "frame-worker.js").write_text((ROOT / "deploy" / "site_worker.js").read_text(encoding="utf-8"), encoding="utf-8")
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1)
        text = page.read_text(encoding="utf-8").replace(THEIR_WORKER, f"{up}assets/frame-worker.js")
        if elsewhere := re.search(r"<script[^>]*src=[\"']?https?://[^>]*>", text):
            sys.exit(f"{page.name} needs the net: {elsewhere[0]}")
        page.write_text(text, encoding="utf-8")


def main() -> None:
    if sys.argv[1] == "--finish":
        return finish(pathlib.Path(sys.argv[2]))
    folder, placed = pathlib.Path(sys.argv[1]), targets()
    for page, place in placed.items():
        file = folder / "docs" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rewritten(page, (ROOT / page).read_text(encoding="utf-8"), placed), encoding="utf-8")
    pictures = folder / "docs" / "pictures"
    pictures.mkdir(exist_ok=True)
    for picture in (ROOT / "server" / "docs" / "pictures").glob("*.svg"):
        (pictures / picture.name).write_bytes(picture.read_bytes())
    (folder / "mkdocs.yml").write_text(SETTINGS + menu(placed), encoding="utf-8")


if __name__ == "__main__":
    main()
