"""What any page is made of: the elements and attributes that a rule knows, each looked at once."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lxml import etree, html

from equity_pipeline.disclosure.audit.finding import Finding
from equity_pipeline.disclosure.audit.said import STATUSES, words
from equity_pipeline.domain.errors import DisclosureError

TAGS = {
    "html", "head", "meta", "link", "title", "style", "script", "body", "a", "header", "div", "nav", "ul", "ol", "li", "main", "p", "h1",
    "h2", "h3", "h4", "section", "footer", "span", "b", "i", "small", "bdi", "code", "br", "table", "caption", "thead", "tbody", "tr", "th",
    "td", "svg", "path", "line", "circle", "rect", "text", "figure", "figcaption", "dl", "dt", "dd", "blockquote", "details", "summary",
}  # fmt: skip
# Attributes of which nothing can follow, and those whose numbers are looked at.
SILENT = {
    "class", "lang", "hreflang", "charset", "name", "content", "http-equiv", "rel", "href", "scope", "tabindex", "role", "aria-hidden",
    "aria-current", "aria-labelledby", "colspan", "rowspan", "focusable", "download", "type", "id", "text-anchor", "open",
}  # fmt: skip
READ = {"aria-label", "title", "data-label", "style"}
GEOMETRY = {
    "viewbox", "width", "height", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "d", "dx", "transform",
}  # fmt: skip


def read(path: str, content: bytes) -> html.HtmlElement:
    """A page.

    Raises:
        DisclosureError: it can't be read; what can't be attacked is not safe.
    """
    try:
        return html.fromstring(content)
    except (etree.LxmlError, ValueError) as error:
        raise DisclosureError(f"{path} can't be read as a page ({type(error).__name__}); not safe") from None


def status(element: html.HtmlElement) -> str | None:
    """The status that an element shows, by its class; `?` where its words are those of another one."""
    for shown in element.find_class("status"):
        code = shown.get("class", "").partition(" s-")[2]
        return code if words(shown) == STATUSES.get(code) else "?"
    return None


def ladder(listed: html.HtmlElement) -> tuple[dict[str | None, str], dict[str, str]]:
    """How many gaps a page says stand on each step, by status: in words, and as drawn above."""
    bar = listed.getprevious()
    drawn = (
        {}
        if bar is None
        else {i.get("class", "").removeprefix("s-"): i.get("style", "").removeprefix("flex:") for i in bar}
    )
    return {status(item): words(item.find("b")) for item in listed}, drawn


class Walk(ABC):
    """A page on which every element is looked at once. Which texts, attributes and pictures are right, those say who derive."""

    def __init__(self, path: str, root: html.HtmlElement) -> None:
        self.path, self.root = path, root
        # Elements that were read with all that is in them.
        self.known: set[html.HtmlElement] = set()
        self.found: list[Finding] = []

    def tell(self, kind: str, where: str = "") -> None:
        """A finding on this page."""
        self.found.append(Finding(kind, self.path, " ".join(where.split())))

    def knows(self, element: html.HtmlElement) -> None:
        """All within the element was read."""
        self.known.update(element.iter())

    def walk(self) -> None:
        """Look at what no rule has read."""
        for element in self.root.iter():
            self._element(element)

    def _element(self, element: html.HtmlElement) -> None:
        if not isinstance(element.tag, str):
            self.tell("a comment")
            return
        if element.tag not in TAGS:
            self.tell("an element that no rule knows", element.tag)
        for name, value in element.items():
            if name in GEOMETRY and element.tag in ("svg", "path", "line", "circle", "rect", "text"):
                continue
            if name in READ:
                # A picture is read with its name, and a bar with its text; a text behind a cell never is.
                pictured = element.tag == "svg" and element.get("class") in ("nano", "trend")
                if not pictured and (element not in self.known or name != "style" and element.tag != "svg"):
                    self.attribute(element, name, value)
            elif name not in SILENT:
                self.tell("an attribute that no rule knows", f"{element.tag} {name}")
        if element.tag == "svg" and element not in self.known:
            self.picture(element)
        if element.tag not in ("script", "style", "code", "text") and element not in self.known:
            self.text(element.text, element)
        parent = element.getparent()
        if parent is not None and parent not in self.known:
            self.text(element.tail, parent)

    @abstractmethod
    def attribute(self, element: html.HtmlElement, name: str, value: str) -> None:
        """An attribute whose numbers someone may read."""

    @abstractmethod
    def picture(self, svg: html.HtmlElement) -> None:
        """A picture that no rule has read yet."""

    @abstractmethod
    def text(self, text: str | None, element: html.HtmlElement) -> None:
        """A text that no rule has read yet, in an element or behind one that is within it."""
