"""Tags in XMP sidecars: `dc:subject` is added to, everything else of an existing file stays as it is.

Source: XMP specification part 1, 7 (serialisation as RDF); `dc:subject` is an unordered array.
"""

from __future__ import annotations

import xml.dom.minidom
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard
from xml.dom.minidom import Document, Element
from xml.parsers.expat import ExpatError

from desktop_app.core.errors import UserInputError, display_path

_META = "adobe:ns:meta/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_ARRAYS = ("Bag", "Seq", "Alt")
MAX_SIDECAR_BYTES = 16_000_000
_EMPTY = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="{_META}">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about="" xmlns:dc="{_DC}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def sidecar_of(photo: Path) -> Path:
    """The sidecar of a photo: `name.jpg.xmp`, unless only a `name.xmp` of no other picture is there."""
    full = photo.with_name(photo.name + ".xmp")
    short = photo.with_suffix(".xmp")
    if full.exists() or not short.exists():
        return full
    siblings = [file for file in photo.parent.glob(f"{_escaped(photo.stem)}.*") if file not in (photo, short)]
    return full if siblings else short


def with_tags(content: bytes | None, tags: Sequence[str], *, file: Path) -> bytes | None:
    """The content of a sidecar with tags added.

    Args:
        content: What the file holds, or None for a new one.
        tags: Texts to be in `dc:subject`.
        file: For messages.

    Returns:
        The new content, or None when all tags are there already.

    Raises:
        UserInputError: The file is no XMP that can be added to.
    """
    document = _parsed(_EMPTY.encode() if content is None else content, file)
    try:
        try:
            array = _subject(document)
        except ValueError as error:
            raise _unusable(file, str(error)) from error
        items = [node for node in array.childNodes if _is(node, _RDF, "li")]
        there = {_text(item) for item in items}
        missing = [tag for tag in dict.fromkeys(tags) if tag not in there]
        if not missing:
            return None
        prefix = _prefix(array, _RDF)
        for tag in missing:
            item = document.createElementNS(_RDF, f"{prefix}li")
            item.appendChild(document.createTextNode(tag))
            _append_in_line(document, array, item)
        return _serialised(document, has_declaration=_has_declaration(content))
    finally:
        document.unlink()


def tags_of(content: bytes, *, file: Path) -> tuple[str, ...]:
    """The tags of a sidecar.

    Raises:
        UserInputError: The file is no XMP.
    """
    document = _parsed(content, file)
    found = []
    for subject in document.getElementsByTagNameNS(_DC, "subject"):
        found += [_text(item) for item in subject.getElementsByTagNameNS(_RDF, "li")]
    document.unlink()
    return tuple(found)


def _parsed(content: bytes, file: Path) -> Document:
    if len(content) > MAX_SIDECAR_BYTES:
        raise _unusable(file, "it is too large")
    if b"<!DOCTYPE" in content or b"<\x00!\x00D\x00O\x00C\x00T" in content:
        raise _unusable(file, "it holds a document type")
    try:
        return xml.dom.minidom.parseString(content)
    except (ExpatError, ValueError, LookupError) as error:
        raise _unusable(file, str(error)) from error


def _subject(document: Document) -> Element:
    """The array below `dc:subject`, made where it is missing.

    Raises:
        ValueError: There is no place for it.
    """
    roots = document.getElementsByTagNameNS(_RDF, "RDF")
    if not roots:
        raise ValueError("it holds no RDF")
    root = roots[0]
    descriptions = [node for node in root.childNodes if _is(node, _RDF, "Description")]
    for description in descriptions:
        for subject in (node for node in description.childNodes if _is(node, _DC, "subject")):
            arrays = [n for n in subject.childNodes if n.namespaceURI == _RDF and n.localName in _ARRAYS]
            if arrays:
                return arrays[0]
            return _filled_subject(document, subject, description)
    if descriptions:
        description = descriptions[0]
    else:
        prefix = _prefix(root, _RDF)
        description = document.createElementNS(_RDF, f"{prefix}Description")
        description.setAttributeNS(_RDF, f"{prefix}about", "")
        root.appendChild(description)
    prefix = _declared(description, _DC, "dc")
    subject = document.createElementNS(_DC, f"{prefix}subject")
    description.appendChild(subject)
    return _filled_subject(document, subject, description)


def _filled_subject(document: Document, subject: Element, description: Element) -> Element:
    """A new array below a subject; a plain text that stood there becomes its first item."""
    prefix = _prefix(description, _RDF)
    array = document.createElementNS(_RDF, f"{prefix}Bag")
    text = _text(subject).strip()
    while subject.firstChild is not None:
        subject.removeChild(subject.firstChild)
    subject.appendChild(array)
    if text:
        item = document.createElementNS(_RDF, f"{prefix}li")
        item.appendChild(document.createTextNode(text))
        array.appendChild(item)
    return array


def _declared(element: Element, namespace: str, wished: str) -> str:
    """The prefix of a namespace with its colon; it is declared at the element where it is not known."""
    known = _lookup(element, namespace)
    if known is not None:
        return f"{known}:" if known else ""
    element.setAttributeNS(_XMLNS, f"xmlns:{wished}", namespace)
    return f"{wished}:"


def _prefix(element: Element, namespace: str) -> str:
    known = _lookup(element, namespace)
    return f"{known}:" if known else ""


def _lookup(element: Element, namespace: str) -> str | None:
    """The prefix that stands for a namespace at an element, or None."""
    node: object = element
    while isinstance(node, Element):
        for name, value in node.attributes.items():
            if value == namespace and (name == "xmlns" or name.startswith("xmlns:")):
                return str(name.partition(":")[2])
        node = node.parentNode
    return None


def _is(node: object, namespace: str, name: str) -> TypeGuard[Element]:
    return isinstance(node, Element) and node.namespaceURI == namespace and node.localName == name


def _text(element: Element) -> str:
    return "".join(n.data for n in element.childNodes if n.nodeType in (n.TEXT_NODE, n.CDATA_SECTION_NODE))


def _append_in_line(document: Document, array: Element, item: Element) -> None:
    """Append an item, indented as those before it."""
    first, last = array.firstChild, array.lastChild
    if first is None or last is None or first is last or first.nodeType != first.TEXT_NODE:
        array.appendChild(item)
        return
    array.insertBefore(item, last)
    array.insertBefore(document.createTextNode(first.data), item)


def _has_declaration(content: bytes | None) -> bool:
    return (content or b"").lstrip(b"\xef\xbb\xbf").startswith(b"<?xml")


def _serialised(document: Document, *, has_declaration: bool) -> bytes:
    """UTF-8; the parser drops the line ends between the outermost parts, which are put back."""
    parts = [node.toxml() for node in document.childNodes]
    if has_declaration:
        parts.insert(0, '<?xml version="1.0" encoding="UTF-8"?>')
    return ("\n".join(parts) + "\n").encode("utf-8")


def _escaped(stem: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in stem)


def _unusable(file: Path, reason: str) -> UserInputError:
    return UserInputError(
        f"The sidecar {display_path(file)} cannot be added to: {reason}.",
        "Nothing in it was changed. Move it away to have a new one written.",
    )
