"""XMP sidecars: what is added, and above all what stays."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import canonicalize

import pytest

from desktop_app.catalogue.sidecar import sidecar_of, tags_of, with_tags
from desktop_app.core.errors import UserInputError

FILE = Path("/photos/a.jpg.xmp")
FOREIGN = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<!-- kept -->
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Other 5.6">
 <r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <r:Description r:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure2012="+0.35"
    xmlns:d="http://purl.org/dc/elements/1.1/">
   <d:creator><r:Seq><r:li>Ann &amp; Bo</r:li></r:Seq></d:creator>
   <d:subject>
    <r:Bag>
     <r:li>Urlaub</r:li>
    </r:Bag>
   </d:subject>
  </r:Description>
 </r:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def test_new_sidecar_holds_the_tags_and_is_read_again() -> None:
    content = with_tags(None, ["cats", "Bär & Söhne <1>", "cats"], file=FILE)
    assert content is not None
    assert tags_of(content, file=FILE) == ("cats", "Bär & Söhne <1>")
    assert content.startswith('<?xpacket begin="\ufeff"'.encode()) and content.rstrip().endswith(
        b'<?xpacket end="w"?>'
    )
    assert with_tags(content, ["cats"], file=FILE) is None


def test_everything_else_of_a_foreign_sidecar_stays() -> None:
    content = with_tags(FOREIGN.encode(), ["Urlaub", "cats"], file=FILE)
    assert content is not None
    text = content.decode()
    assert tags_of(content, file=FILE) == ("Urlaub", "cats")
    for kept in (
        "<!-- kept -->",
        'x:xmptk="Other 5.6"',
        'crs:Exposure2012="+0.35"',
        "Ann &amp; Bo",
        "xpacket end",
    ):
        assert kept in text
    assert "<r:li>cats</r:li>" in text, "the file's own prefix is used"
    assert "     <r:li>cats</r:li>\n" in text, "indented as its neighbours"
    without = text.replace("     <r:li>cats</r:li>\n", "")
    assert canonicalize(without) == canonicalize(FOREIGN), "nothing but the new tag changed"


@pytest.mark.parametrize(
    "middle",
    [
        "",
        '<rdf:Description rdf:about=""/>',
        '<rdf:Description rdf:about=""><dc:subject xmlns:dc="http://purl.org/dc/elements/1.1/">old</dc:subject>'
        "</rdf:Description>",
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Seq>'
        "<rdf:li>old</rdf:li></rdf:Seq></dc:subject></rdf:Description>",
    ],
)
def test_other_shapes_are_added_to(middle: str) -> None:
    text = f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{middle}</rdf:RDF>'
    content = with_tags(text.encode(), ["new"], file=FILE)
    assert content is not None
    assert tags_of(content, file=FILE) == (("old", "new") if "old" in middle else ("new",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no xml",
        b"<a/>",
        b"<x><unclosed></x>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        "<!DOCTYPE x><x/>".encode("utf-16"),
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_xmp_is_refused_and_told(content: bytes) -> None:
    with pytest.raises(UserInputError, match=r"a\.jpg\.xmp"):
        with_tags(content, ["x"], file=FILE)


def test_place_of_the_sidecar(tmp_path: Path) -> None:
    photo = tmp_path / "a[1].jpg"
    photo.write_bytes(b"")
    assert sidecar_of(photo).name == "a[1].jpg.xmp"
    (tmp_path / "a[1].xmp").write_bytes(b"")
    assert sidecar_of(photo).name == "a[1].xmp"
    (tmp_path / "a[1].cr2").write_bytes(b"")
    assert sidecar_of(photo).name == "a[1].jpg.xmp", "the short name belongs to the raw file"
    (tmp_path / "a[1].jpg.xmp").write_bytes(b"")
    assert sidecar_of(photo).name == "a[1].jpg.xmp"
