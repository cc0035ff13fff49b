"""XML messages of any namespace prefix, element by element; document types and entities are refused."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from eqci_space.errors import DataError, EqciError

__all__ = ["walk_xml"]


def walk_xml(
    text: str,
    source: str,
    begin: Callable[[str, dict[str, str], str], None],
    finish: Callable[[str, str, str], None],
    *,
    refusal: type[EqciError] = DataError,
) -> None:
    """Call `begin` with tag, attributes and place of every element, and `finish` with tag, content and place.

    Parameters
    ----------
    text, source : str
        The document, and its name in messages.
    begin, finish : callables
        Tags come without prefix. The content is the text since the last tag, blanks around it taken off.
    refusal : type
        What is raised.

    Raises
    ------
    EqciError
        It is no well-formed XML, or declares a document type or an entity.
    """
    words: list[str] = []
    parser = expat.ParserCreate()

    def place() -> str:
        return f"{source} line {parser.CurrentLineNumber}"

    def refuse(*_: object) -> None:
        raise refusal(f"{place()}: a document type or entity; remove it")

    def opened(tag: str, attributes: dict[str, str]) -> None:
        words.clear()
        begin(tag.rpartition(":")[2], attributes, place())

    def closed(tag: str) -> None:
        content = "".join(words).strip()
        words.clear()
        finish(tag.rpartition(":")[2], content, place())

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = opened, closed, words.append
    try:
        parser.Parse(text.encode("utf-8"), True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise refusal(f"{source}: not valid XML: {error}") from error
