"""Photo files to upright RGB images, and clear reasons for those that cannot be."""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageCms

from desktop_app.catalogue.decode import (
    PHOTO_ENDINGS,
    DecodedPhoto,
    UnreadablePhotoError,
    decode_content,
    decode_photo,
)
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Image
from tests.pictures import picture, save_picture

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning"
)


def decode(path: Path, *, at_least_px: int | None = None, max_megapixels: int = 50) -> DecodedPhoto:
    return decode_photo(path, max_megapixels=max_megapixels, at_least_px=at_least_px)


def reason(path: Path, **limits: int) -> str:
    with pytest.raises(UnreadablePhotoError) as caught:
        decode(path, **limits)
    return caught.value.reason


def near(a: Image, b: Image, tolerance: float = 6.0) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(float) - b.astype(float)).mean()) < tolerance


@pytest.mark.parametrize(
    "ending",
    [".png", ".jpg", ".bmp", ".gif", ".webp", ".tif", ".ppm", ".tga", ".jp2", ".avif", ".heic", ".qoi"],
)
def test_formats_give_the_same_picture(tmp_path: Path, ending: str) -> None:
    if ending == ".heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
    photo = decode(save_picture(tmp_path / f"a{ending}", 3))
    assert photo.image.flags.c_contiguous and photo.image.dtype == np.uint8
    assert (photo.width_px, photo.height_px) == (96, 72)
    assert near(photo.image, picture(3), 12.0)
    assert ending in PHOTO_ENDINGS


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = picture(1)
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 3),
    }
    stored = np.ascontiguousarray(turns[orientation](upright))
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    for name in ("a.jpg", "a.png", "a.tif"):
        PillowImage.fromarray(stored).save(tmp_path / name, exif=exif)
        photo = decode(tmp_path / name)
        assert (photo.width_px, photo.height_px) == (96, 72)
        assert near(photo.image, upright), name


def test_turned_size_is_right_for_a_reduced_decode(tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(picture(1, width=1600, height=800)).save(tmp_path / "a.jpg", exif=exif)
    photo = decode(tmp_path / "a.jpg", at_least_px=100)
    assert (photo.width_px, photo.height_px) == (800, 1600)
    height, width = photo.image.shape[:2]
    assert height == 2 * width and 100 <= width < 400


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_reduced_decode_keeps_enough_pixels(tmp_path: Path, ending: str) -> None:
    path = save_picture(tmp_path / f"a{ending}", 2, width=2000, height=1500)
    photo = decode(path, at_least_px=64)
    assert (photo.width_px, photo.height_px) == (2000, 1500)
    assert 64 <= min(photo.image.shape[:2]) <= 256
    whole = decode(path).image
    shrunk = PillowImage.fromarray(whole).resize(photo.image.shape[1::-1], PillowImage.Resampling.BOX)
    assert near(photo.image, np.array(shrunk))


def test_sixteen_bit_grey_is_scaled_not_cut(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, axis=0)
    PillowImage.fromarray(ramp).save(tmp_path / "a.png")
    PillowImage.fromarray(ramp).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        assert np.abs(decode(tmp_path / name).image[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_float_picture_is_scaled(tmp_path: Path) -> None:
    PillowImage.fromarray(np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(8, axis=0)).save(
        tmp_path / "a.tif"
    )
    row = decode(tmp_path / "a.tif").image[0, :, 0]
    assert row[0] == 0 and row[-1] == 255


@pytest.mark.parametrize(("low", "high"), [(-3.0, 9.0), (0.0, 200.0), (0.0, 40_000.0)])
def test_other_ranges_are_brought_to_eight_bits(tmp_path: Path, low: float, high: float) -> None:
    tall = np.linspace(low, high, 700, dtype=np.float32)[:, None].repeat(5, axis=1)
    tall[3, 3] = np.nan
    PillowImage.fromarray(tall).save(tmp_path / "a.tif")
    column = decode(tmp_path / "a.tif").image[:, 0, 0].astype(int)
    expected = np.linspace(0, 200 if high == 200.0 else 255, 700)
    assert np.abs(column - expected).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_reduction_in_strips_is_that_of_the_whole(tmp_path: Path, mode: str) -> None:
    rgba = picture(6, width=1300, height=1100)
    whole = PillowImage.fromarray(rgba)
    if mode in {"RGBA", "LA"}:
        whole.putalpha(PillowImage.fromarray(rgba[..., 1]))
    whole.convert(mode).save(tmp_path / "a.png")
    small = decode(tmp_path / "a.png", at_least_px=50).image
    assert small.shape[:2] == (100, 119)
    full = PillowImage.fromarray(decode(tmp_path / "a.png").image).reduce(11)
    assert np.abs(small.astype(int) - np.array(full).astype(int)).max() <= (3 if "A" in mode else 1)


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), dtype=np.uint8)
    rgba[:, 4:] = (255, 0, 0, 255)
    PillowImage.fromarray(rgba).save(tmp_path / "a.png")
    PillowImage.fromarray(rgba).save(tmp_path / "a.webp", lossless=True)
    PillowImage.fromarray(rgba).quantize(4).save(tmp_path / "palette.png")
    grey = PillowImage.fromarray(rgba[..., 0]).convert("LA")
    grey.putalpha(PillowImage.fromarray(rgba[..., 3]))
    grey.save(tmp_path / "grey.png")
    for name in ("a.png", "a.webp", "palette.png"):
        image = decode(tmp_path / name).image
        assert (image[0, 0] == 255).all() and image[0, 7, 0] > 250 and image[0, 7, 1] < 5, name
    assert decode(tmp_path / "grey.png").image[0, 0].tolist() == [255, 255, 255]


def test_cmyk_comes_out_in_its_colours(tmp_path: Path) -> None:
    red = np.zeros((16, 16, 4), dtype=np.uint8)
    red[..., 1:3] = 255
    PillowImage.fromarray(red, mode="CMYK").save(tmp_path / "a.jpg", quality=95)
    pixel = decode(tmp_path / "a.jpg").image[8, 8]
    assert pixel[0] > 200 and pixel[1] < 60 and pixel[2] < 60


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr"])
def test_other_pixel_layouts_become_rgb(tmp_path: Path, mode: str) -> None:
    ending = ".jpg" if mode == "YCbCr" else ".tif"
    PillowImage.fromarray(picture(5)).convert(mode).save(tmp_path / f"a{ending}")
    assert decode(tmp_path / f"a{ending}").image.shape == (72, 96, 3)


def test_lab_tiff_is_read_in_its_colours(tmp_path: Path) -> None:
    rgb = PillowImage.fromarray(np.full((8, 8, 3), (200, 30, 40), dtype=np.uint8))
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(rgb, to_lab)
    assert lab is not None
    lab.save(tmp_path / "a.tif")
    assert np.abs(decode(tmp_path / "a.tif").image[4, 4].astype(int) - (200, 30, 40)).max() < 12


def test_colour_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    lab_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = lab_profile.replace(b"rXYZ", b"TEMP").replace(b"gXYZ", b"rXYZ").replace(b"TEMP", b"gXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be"))
    green = np.full((8, 8, 3), (0, 255, 0), dtype=np.uint8)
    PillowImage.fromarray(green).save(tmp_path / "a.png", icc_profile=swapped)
    assert decode(tmp_path / "a.png").image[0, 0, 0] > 200, "the profile calls this red"
    PillowImage.fromarray(green).save(tmp_path / "b.png", icc_profile=b"no profile at all")
    assert decode(tmp_path / "b.png").image[0, 0].tolist() == [0, 255, 0]


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [PillowImage.fromarray(picture(seed)) for seed in (1, 2, 3)]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=50)
        assert near(decode(tmp_path / name).image, picture(1), 14.0), name


def test_wrong_ending_does_not_matter(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png", 4).rename(tmp_path / "a.jpg")
    assert near(decode(tmp_path / "a.jpg").image, picture(4))


def test_damaged_exif_does_not_matter(tmp_path: Path) -> None:
    PillowImage.fromarray(picture(4)).save(
        tmp_path / "a.jpg", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff junk"
    )
    assert near(decode(tmp_path / "a.jpg").image, picture(4))


def test_reasons_are_clear(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "zeros.jpg").write_bytes(bytes(100))
    (tmp_path / "text.jpg").write_text("hello", encoding="utf-8")
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html><p>404", encoding="utf-8")
    (tmp_path / "paper.jpg").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "film.jpg").write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(50))
    whole = save_picture(tmp_path / "whole.jpg", 1, width=400, height=300).read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "head.jpg").write_bytes(whole[:10])
    assert reason(tmp_path / "empty.jpg") == "The file is empty."
    assert "zeros" in reason(tmp_path / "zeros.jpg")
    assert "not a picture" in reason(tmp_path / "text.jpg")
    assert "web page" in reason(tmp_path / "page.jpg")
    assert "PDF" in reason(tmp_path / "paper.jpg")
    assert "video" in reason(tmp_path / "film.jpg")
    assert "ends too early" in reason(tmp_path / "half.jpg")
    assert "damaged" in reason(tmp_path / "head.jpg")
    assert reason(tmp_path / "nowhere.jpg") == "The file does not exist."
    (tmp_path / "folder.jpg").mkdir()
    assert reason(tmp_path / "folder.jpg") == "It is not a file."


def test_message_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    with pytest.raises(UserInputError, match=r"'empty\.jpg' cannot be used: the file is empty\."):
        decode(tmp_path / "empty.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(tmp_path / "pipe.jpg") == "It is not a file."


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_forbidden_file_may_be_read_later(tmp_path: Path) -> None:
    path = save_picture(tmp_path / "a.jpg", 1)
    path.chmod(0)
    with pytest.raises(UnreadablePhotoError) as caught:
        decode(path)
    assert "may not read" in caught.value.reason and not caught.value.is_lasting


def huge_png(width: int, height: int) -> bytes:
    """A tiny file that claims a huge picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9_000, 30_000, 2_000_000])
def test_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(huge_png(side, side))
    assert "megapixels" in reason(tmp_path / "bomb.png", max_megapixels=50)


def test_large_jpeg_is_reduced_while_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_picture(tmp_path / "large.jpg", 1, width=6000, height=4000)
    loaded: list[tuple[int, int]] = []
    from PIL import JpegImagePlugin

    load = JpegImagePlugin.JpegImageFile.load

    def spy(self: JpegImagePlugin.JpegImageFile) -> object:
        loaded.append(self.size)
        return load(self)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", spy)
    photo = decode(path, at_least_px=256)
    assert loaded[0] == (750, 500)
    assert (photo.width_px, photo.height_px) == (6000, 4000)


def test_large_pictures_are_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from desktop_app.catalogue import decode as module

    monkeypatch.setattr(module, "_LARGE_PIXELS", 1000)
    at_once, most, lock = 0, 0, threading.Lock()
    original = module.upright_rgb

    def watched(*arguments: object) -> object:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.01)
        with lock:
            at_once -= 1
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "upright_rgb", watched)
    path = save_picture(tmp_path / "a.png", 1)
    threads = [threading.Thread(target=decode, args=(path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def samples() -> list[bytes]:
    made = []
    for kind, options in (
        ("PNG", {}),
        ("JPEG", {}),
        ("GIF", {}),
        ("WEBP", {}),
        ("TIFF", {}),
        ("BMP", {}),
        ("ICO", {}),
    ):
        buffer = io.BytesIO()
        PillowImage.fromarray(picture(1, width=24, height=16)).save(buffer, kind, **options)
        made.append(buffer.getvalue())
    return made


SAMPLES = samples()


def only_user_input_errors(content: bytes) -> None:
    try:
        photo = decode_content(content, path=None, max_megapixels=2, at_least_px=16)
    except UserInputError as error:
        assert error.message.endswith(".")
    else:
        assert photo.image.ndim == 3 and photo.image.shape[2] == 3 and photo.image.dtype == np.uint8


fuzz = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@fuzz
@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_user_input_errors(content: bytes) -> None:
    only_user_input_errors(content)


@fuzz
@given(st.sampled_from(SAMPLES), st.data())
def test_cut_and_changed_files_raise_nothing_but_user_input_errors(
    sample: bytes, data: st.DataObject
) -> None:
    changed = bytearray(sample[: data.draw(st.integers(1, len(sample)))])
    for _ in range(data.draw(st.integers(0, 12))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    only_user_input_errors(bytes(changed))


def test_sample_folder_of_broken_files_raises_nothing_else(sample_data: Path) -> None:
    files = [p for p in sorted((sample_data / "broken").rglob("*")) if p.is_file() and p.name != "index.csv"]
    assert len(files) > 300
    for file in files:
        for at_least_px in (None, 64):
            try:
                decode(file, at_least_px=at_least_px, max_megapixels=250)
            except UnreadablePhotoError as error:
                assert error.reason.endswith(".") and error.reason[0].isupper()
