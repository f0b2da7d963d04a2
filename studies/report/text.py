"""Markdown as HTML that needs no other file: images become part of it, and links lead to the pages of reports."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markupsafe import Markup
from PIL import Image

EXTENSIONS = ("tables", "fenced_code", "sane_lists", "toc")
FORMATS = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


def as_html(path: Path) -> Markup:
    """A file of Markdown as HTML, without its title, with the images that it shows in it."""
    text = re.sub(r"\A# .*\n", "", path.read_text(encoding="utf-8"))
    return Markup(Markdown(extensions=[*EXTENSIONS, _Alone(path.parent)]).convert(text))


def images_of(path: Path) -> list[str]:
    """The names of the images that a file of Markdown shows."""
    return re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))


def as_data(path: Path, width: int | None = None) -> str:
    """An image as the address that holds it; smaller where a width in pixels is given."""
    content = path.read_bytes()
    if width is not None:
        with Image.open(path) as image:
            image.thumbnail((width, width))
            small = io.BytesIO()
            image.save(small, "png")
        content = small.getvalue()
    return f"data:{FORMATS[path.suffix]};base64,{base64.b64encode(content).decode()}"


def report_of(link: str) -> str:
    """Where a link to a page of results leads among reports: README.md beside them is the index of all."""
    path, mark, place = link.partition("#")
    if "://" in path or not re.search(r"(^|/)README\.md$", path):
        return link
    name = "index.html" if path in ("../README.md", "README.md") else "report.html"
    return path.removesuffix("README.md") + name + mark + place


class _Alone(Extension):
    """Put the images of a folder into the page, and turn its links."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def extendMarkdown(self, md: Markdown) -> None:
        md.treeprocessors.register(_Turned(md, self.folder), "alone", 0)


class _Turned(Treeprocessor):
    def __init__(self, md: Markdown, folder: Path) -> None:
        super().__init__(md)
        self.folder = folder

    def run(self, root: Element) -> None:
        for image in list(root.iter("img")):
            source = self.folder / image.get("src", "")
            if source.is_file() and source.suffix in FORMATS:
                image.set("src", as_data(source))
            else:  # nothing is loaded from elsewhere
                image.tag, image.attrib = "a", {"href": image.get("src", "")}
                image.text = image.get("alt") or image.get("href")
        for link in root.iter("a"):
            link.set("href", report_of(link.get("href", "")))
