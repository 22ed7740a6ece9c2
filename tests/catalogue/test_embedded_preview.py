"""The small picture inside a photo file: found where cameras put it, refused where it cannot be right."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageCms

from desktop_app.catalogue.decode import DecodedPhoto, decode_content
from desktop_app.catalogue.embedded_preview import embedded_preview
from desktop_app.core.types import Image
from tests.pictures import camera_jpeg, camera_thumbnail, exif_block, picture

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning"
)


def preview_of(content: bytes, *, at_least_px: int = 87, max_megapixels: int = 250) -> DecodedPhoto | None:
    return embedded_preview(content, at_least_px=at_least_px, max_megapixels=max_megapixels)


def shows_the_photo(content: bytes, *, at_least_px: int = 87) -> bool:
    """Whether there is a preview that is the photo itself in small, with the photo's size."""
    found = preview_of(content, at_least_px=at_least_px)
    if found is None:
        return False
    whole = decode_content(content, path=None, max_megapixels=250, at_least_px=None)
    assert (found.width_px, found.height_px) == (whole.width_px, whole.height_px)
    assert found.image.flags.c_contiguous and found.image.dtype == np.uint8
    height, width = found.image.shape[:2]
    small = np.asarray(PillowImage.fromarray(whole.image).resize((width, height)))
    return float(np.abs(small.astype(float) - found.image.astype(float)).mean()) < 5.0


def jpeg(image: Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", quality=80, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def large() -> Image:
    return picture(7, width=1680, height=1260)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_preview_is_upright_and_knows_the_size_of_the_photo(large: Image, orientation: int) -> None:
    content = camera_jpeg(large, orientation=orientation)
    found = preview_of(content)
    assert found is not None
    assert found.image.shape == ((120, 160, 3) if orientation < 5 else (160, 120, 3))
    assert shows_the_photo(content)


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(1800, 1200, (106, 160)), (2000, 1125, (90, 160)), (1500, 1500, (120, 120)), (1260, 1680, (120, 90))],
)
def test_letterbox_bars_are_cut(width: int, height: int, shape: tuple[int, int]) -> None:
    content = camera_jpeg(picture(3, width=width, height=height))
    found = preview_of(content)
    assert found is not None and found.image.shape[:2] == shape
    assert shows_the_photo(content)


def test_preview_of_another_shape_without_bars_is_refused(large: Image) -> None:
    """An edited photo whose program kept the preview of the photo before it was cropped."""
    cropped = np.ascontiguousarray(np.pad(large, ((0, 0), (0, 400), (0, 0)), mode="edge"))
    assert preview_of(camera_jpeg(cropped, preview=large)) is None
    assert preview_of(camera_jpeg(np.ascontiguousarray(large.transpose(1, 0, 2)), preview=large)) is None


def test_small_photos_and_small_previews_have_none(large: Image) -> None:
    assert preview_of(camera_jpeg(picture(1, width=1200, height=900))) is None
    assert preview_of(camera_jpeg(large, size=(96, 72))) is None
    assert preview_of(camera_jpeg(large), at_least_px=121) is None
    assert preview_of(camera_jpeg(large), at_least_px=120) is not None
    assert preview_of(camera_jpeg(large, size=(512, 384)), at_least_px=200) is not None
    wide = camera_jpeg(picture(3, width=2000, height=1125))
    assert preview_of(wide, at_least_px=91) is None, "the bars do not count"


def test_too_large_photo_is_left_to_the_decoder(large: Image) -> None:
    assert preview_of(camera_jpeg(large), max_megapixels=2) is None


def test_files_without_a_preview_have_none(large: Image) -> None:
    assert preview_of(jpeg(large)) is None
    assert preview_of(b"") is None
    assert preview_of(b"\xff\xd8\xff") is None
    buffer = io.BytesIO()
    PillowImage.fromarray(large).save(buffer, "PNG", exif=exif_block(b"x"))
    assert preview_of(buffer.getvalue()) is None


def test_profile_of_the_photo_is_that_of_the_preview(large: Image) -> None:
    """A preview in other colours would make an embedding of another picture."""
    linear = _linear_profile()
    thumbnail = camera_thumbnail(PillowImage.fromarray(large))
    content = jpeg(large, exif=exif_block(thumbnail), icc_profile=linear)
    plain = preview_of(jpeg(large, exif=exif_block(thumbnail)))
    converted = preview_of(content)
    assert plain is not None and converted is not None
    assert float(np.abs(plain.image.astype(float) - converted.image).mean()) > 10
    assert shows_the_photo(content)


def _linear_profile() -> bytes:
    """sRGB's primaries without its curve, from Pillow's sRGB profile: all curves become straight lines."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    for number in range(count):
        tag, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + size] = b"curv".ljust(size, b"\x00")
        if tag == b"desc":
            profile[offset : offset + size] = bytes(profile[offset : offset + size]).replace(
                "sRGB".encode("utf-16-be"), "line".encode("utf-16-be")
            )
    return bytes(profile)


# --- other places ---------------------------------------------------------------------------------------


def multi_picture(large: Image, small: Image, kind: int) -> bytes:
    """A multi-picture file with the second picture declared as `kind` (CIPA DC-007, table 4)."""
    buffer = io.BytesIO()
    PillowImage.fromarray(large).save(
        buffer, "MPO", save_all=True, append_images=[PillowImage.fromarray(small)], quality=80
    )
    content = bytearray(buffer.getvalue())
    start = content.index(b"MPF\x00II*\x00")
    entry = content.index(struct.pack("<I", 0x030000), start + 20) + 16  # the second of the 16-byte entries
    content[entry : entry + 4] = struct.pack("<I", kind)
    return bytes(content)


@pytest.mark.parametrize("kind", [0x010001, 0x010002])
def test_large_thumbnail_of_a_multi_picture_file_is_used(large: Image, kind: int) -> None:
    content = multi_picture(large, picture(7, width=640, height=480), kind)
    found = preview_of(content, at_least_px=224)
    assert found is not None and found.image.shape == (480, 640, 3)
    assert shows_the_photo(content)


def test_full_hd_preview_is_decoded_at_a_reduced_size(large: Image) -> None:
    found = preview_of(multi_picture(large, picture(7, width=1600, height=1200), 0x010002))
    assert found is not None and found.image.shape == (300, 400, 3)


@pytest.mark.parametrize("kind", [0x000000, 0x020002])
def test_gain_map_and_second_view_of_a_multi_picture_file_are_no_previews(large: Image, kind: int) -> None:
    assert preview_of(multi_picture(large, picture(7, width=640, height=480), kind)) is None


def heic(large: Image, thumbnails: list[int], **options: object) -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    PillowImage.fromarray(large).save(buffer, "HEIF", quality=60, thumbnails=thumbnails, **options)
    return buffer.getvalue()


def test_thumbnail_item_of_a_heic_file_is_used(large: Image) -> None:
    content = heic(large, [320])
    found = preview_of(content)
    assert found is not None and found.image.shape == (240, 320, 3)
    assert shows_the_photo(content)
    assert preview_of(content, at_least_px=241) is None
    assert preview_of(heic(large, [])) is None


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_thumbnail_item_of_a_turned_heic_file_is_upright(large: Image, orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    assert shows_the_photo(heic(large, [320], exif=exif.tobytes()))


# --- hostile content ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 4), (1 << 31, 100), (0xFFFFFFFF, 0xFFFFFFFF), (68, 0), (68, 0xFFFFFFFF), (69, None), (68, 300)],
)
def test_places_that_make_no_sense_give_none_or_the_preview(
    large: Image, offset: int, length: int | None
) -> None:
    thumbnail = camera_thumbnail(PillowImage.fromarray(large))
    content = jpeg(large, exif=exif_block(thumbnail, offset=offset, length=length))
    is_whole = offset == 68 and length is not None and length > len(thumbnail)
    assert (preview_of(content) is not None) == is_whole


def test_directories_in_a_loop_give_none(large: Image) -> None:
    block = bytearray(exif_block(camera_thumbnail(PillowImage.fromarray(large))))
    block[6 + 22 : 6 + 26] = struct.pack("<I", 8)  # the second directory is the first one again
    assert preview_of(jpeg(large, exif=bytes(block))) is None


def test_preview_that_claims_to_be_huge_is_not_decoded(large: Image) -> None:
    thumbnail = bytearray(camera_thumbnail(PillowImage.fromarray(large)))
    size = thumbnail.index(b"\xff\xc0") + 5
    thumbnail[size : size + 4] = struct.pack(">HH", 60_000, 65_000)
    assert preview_of(jpeg(large, exif=exif_block(bytes(thumbnail)))) is None


@pytest.fixture(scope="module")
def samples(large: Image) -> list[bytes]:
    return [
        camera_jpeg(large, quality=30),
        camera_jpeg(picture(4, width=1800, height=1200), quality=30, orientation=6),
        multi_picture(large, picture(7, width=320, height=240), 0x010001),
        heic(large, [320]),
    ]


def test_list_of_thousands_of_previews_is_not_followed(large: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    from desktop_app.catalogue import embedded_preview as module

    entry = {"Attribute": {"MPType": "Large Thumbnail (Full HD Equivalent)"}}
    tried: list[int] = []

    def refuse(preview: object, **_: object) -> None:
        tried.append(1)

    monkeypatch.setattr(module, "_usable", refuse)
    file = PillowImage.open(io.BytesIO(multi_picture(large, picture(7, width=640, height=480), 0x010001)))
    file.mpinfo[0xB002] = [entry, entry] * 1000
    file.seek = lambda frame: None
    assert module._jpeg_preview(file, 87) is None
    assert len(tried) == 4


def test_files_cut_or_overwritten_anywhere_raise_nothing(samples: list[bytes]) -> None:
    chance = random.Random(0)
    usable = 0
    for content in samples:
        for _ in range(120):
            damaged = bytearray(content)
            # Most harm can be done in the headers.
            reach = chance.choice([200, 2_000, len(damaged)])
            for _ in range(chance.randrange(1, 8)):
                damaged[chance.randrange(reach)] = chance.choice(
                    [0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)]
                )
            if chance.random() < 0.3:
                del damaged[chance.randrange(len(damaged)) :]
            usable += preview_of(bytes(damaged)) is not None
    assert 20 < usable < 460


@given(block=st.binary(max_size=300), is_framed=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_exif_data_raises_nothing(large_jpeg: bytes, block: bytes, is_framed: bool) -> None:
    head = b"Exif\x00\x00II*\x00\x08\x00\x00\x00" if is_framed else b"Exif\x00\x00"
    segment = head + block
    content = large_jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + large_jpeg[2:]
    preview_of(content)


@pytest.fixture(scope="module")
def large_jpeg(large: Image) -> bytes:
    return jpeg(large)


def test_previews_of_real_cameras_show_their_photos(sample_data: Path) -> None:
    """A scanner's, with bars left and right, and one of a phone in a file cut off before its picture."""
    folder = sample_data / "broken"
    scanned = (folder / "jpeg-decoder" / "028_extraneous-bytes-after-sos.jpg").read_bytes()
    found = preview_of(scanned, at_least_px=84)
    assert found is not None and found.image.shape == (120, 84, 3)
    assert shows_the_photo(scanned, at_least_px=84)
    phone = preview_of((folder / "Pillow" / "138_ultrahdr.jpg").read_bytes())
    assert phone is not None and phone.image.shape == (336, 189, 3)
    assert (phone.width_px, phone.height_px) == (1512, 2688)


def test_broken_sample_files_raise_nothing(sample_data: Path) -> None:
    for file in sorted((sample_data / "broken").rglob("*")):
        if file.is_file():
            preview_of(file.read_bytes())
