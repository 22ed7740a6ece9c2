"""Photo files to upright RGB images: formats, orientation, colour profile, limits, clear reasons."""

from __future__ import annotations

import io
import logging
import stat
import struct
import threading
import warnings
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageCms, ImageFile, UnidentifiedImageError

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import FloatArray, Image

_log = logging.getLogger(__name__)

# Odd metadata is no news for the user: the pixels decide whether a photo is usable.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=PillowImage.DecompressionBombWarning)

_FORMAT_OF_ENDING = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga",),
    "ICO": (".ico",),
    "ICNS": (".icns",),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "HEIF": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
    "QOI": (".qoi",),
    "PCX": (".pcx",),
    "SGI": (".sgi",),
    "DDS": (".dds",),
    "PSD": (".psd",),
}
PHOTO_ENDINGS = frozenset(ending for endings in _FORMAT_OF_ENDING.values() for ending in endings)
_MAX_FILE_BYTES = 1 << 30
# Larger pictures are decoded one at a time, so that memory stays bounded.
_LARGE_PIXELS = 30_000_000
_LARGE_FILE_BYTES = 64 << 20
# Work on a whole large picture is done in strips of about this many rows.
_ROWS_A_STRIP = 512
_one_large_at_a_time = threading.Lock()
_registration = threading.Lock()

# What Pillow and its plugins raise on files that are damaged, hostile or of a rare kind.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,
    BufferError,
    AssertionError,
    struct.error,
    zlib.error,
    ImageCms.PyCMSError,
)
_TRANSPOSE = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112
_IMAGE_MARKS = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"RIFF",
    b"\x00\x00\x00\x0cjP",
)
_OTHER_KINDS = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML or SVG document"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)


@dataclass(frozen=True, slots=True)
class DecodedPhoto:
    """A photo as pixels.

    Attributes:
        image: Upright, RGB; smaller than the file's picture when a reduced decode was allowed.
        width_px: Width of the full upright picture.
        height_px: Height of the full upright picture.
    """

    image: Image
    width_px: int
    height_px: int


_ANOTHER_HINT = "Choose another picture, or save this one anew with a picture editor."
_AGAIN_HINT = "Check that the file is still there and that you may read it, then try again."


class UnreadablePhotoError(UserInputError):
    """A photo that cannot be used.

    Args:
        path: The file, or None for a picture without one.
        reason: What is wrong, as a sentence without the file's name.
        is_lasting: The file's content is at fault; False when reading it may work later.
    """

    def __init__(self, path: Path | None, reason: str, *, is_lasting: bool = True) -> None:
        name = f"'{display_path(path.name)}'" if path is not None else "The picture"
        hint = _ANOTHER_HINT if is_lasting else _AGAIN_HINT
        super().__init__(f"{name} cannot be used: {reason[0].lower()}{reason[1:]}", hint)
        self.reason = reason
        self.is_lasting = is_lasting


def decode_photo(path: Path, *, max_megapixels: int, at_least_px: int | None) -> DecodedPhoto:
    """Read a photo file.

    Args:
        path: The file.
        max_megapixels: Larger pictures are refused.
        at_least_px: The picture may be reduced as long as its shorter side keeps this many pixels;
            None: full size.

    Raises:
        UserInputError: The file cannot be read or is no usable picture; always this class.
    """
    content = read_photo_file(path)
    return decode_content(content, path=path, max_megapixels=max_megapixels, at_least_px=at_least_px)


def load_decoders(max_megapixels: int) -> None:
    """Import the decoders now, rather than at the first photo."""
    photo_formats(max_megapixels)


def read_photo_file(path: Path) -> bytes:
    """The bytes of a photo file.

    Raises:
        UnreadablePhotoError: It is no plain file, empty, too large or not readable.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadablePhotoError(path, "It is not a file.", is_lasting=False)
        if status.st_size == 0:
            raise UnreadablePhotoError(path, "The file is empty.")
        if status.st_size > _MAX_FILE_BYTES:
            raise UnreadablePhotoError(path, f"The file is larger than {_MAX_FILE_BYTES >> 30} GB.")
        with _one_large_at_a_time if status.st_size > _LARGE_FILE_BYTES else nullcontext():
            return path.read_bytes()
    except FileNotFoundError as error:
        reason = "The link leads to no file." if path.is_symlink() else "The file does not exist."
        raise UnreadablePhotoError(path, reason, is_lasting=False) from error
    except PermissionError as error:
        raise UnreadablePhotoError(path, "You may not read this file.", is_lasting=False) from error
    except MemoryError as error:
        raise UnreadablePhotoError(
            path, "There is not enough memory to read it.", is_lasting=False
        ) from error
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise UnreadablePhotoError(path, f"The file cannot be read: {what}.", is_lasting=False) from error


def decode_content(
    content: bytes, *, path: Path | None, max_megapixels: int, at_least_px: int | None
) -> DecodedPhoto:
    """Decode the bytes of a photo file; arguments and errors as for `decode_photo`."""
    formats = photo_formats(max_megapixels)
    if not content:
        raise UnreadablePhotoError(path, "The file is empty.")
    try:
        with PillowImage.open(io.BytesIO(content), formats=formats) as file:
            _check_size(file.size, path, max_megapixels)
            width_px, height_px = file.size
            is_drafted = _draft(file, at_least_px)
            pixels = file.size[0] * file.size[1]
            with _one_large_at_a_time if pixels > _LARGE_PIXELS else nullcontext():
                file.load()
                _check_size(file.size, path, max_megapixels)
                orientation = exif_orientation(file)
                if not is_drafted:
                    width_px, height_px = file.size
                upright = upright_rgb(file, orientation, at_least_px)
                image = np.array(upright, dtype=np.uint8, order="C")
    except UnreadablePhotoError:
        raise
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise UnreadablePhotoError(
            path, f"The picture is larger than {max_megapixels} megapixels."
        ) from error
    except MemoryError as error:
        raise UnreadablePhotoError(
            path, "There is not enough memory to open it.", is_lasting=False
        ) from error
    except DECODER_ERRORS as error:
        _log.debug("decoder error: %r", error)
        raise UnreadablePhotoError(path, _reason(error, content)) from error
    if orientation >= 5:
        width_px, height_px = height_px, width_px
    return DecodedPhoto(image=image, width_px=width_px, height_px=height_px)


def photo_formats(max_megapixels: int) -> tuple[str, ...]:
    """The formats tried on a file, whatever its ending; none that starts another program (EPS).

    Also lets our own size limit be the one that decides.
    """
    with _registration:
        limit = max_megapixels * 1_000_000
        if PillowImage.MAX_IMAGE_PIXELS is None or limit > PillowImage.MAX_IMAGE_PIXELS:
            PillowImage.MAX_IMAGE_PIXELS = limit
        if "HEIF" not in PillowImage.OPEN:
            import pillow_heif

            PillowImage.init()
            pillow_heif.register_heif_opener()
        return tuple(name for name in _FORMAT_OF_ENDING if name in PillowImage.OPEN)


def _check_size(size: tuple[int, int], path: Path | None, max_megapixels: int) -> None:
    width, height = size
    if width <= 0 or height <= 0:
        raise UnreadablePhotoError(path, "The picture has no pixels.")
    if width * height > max_megapixels * 1_000_000:
        megapixels = width * height / 1e6
        raise UnreadablePhotoError(
            path,
            f"The picture is too large: {width} × {height} are {megapixels:,.0f} megapixels, "
            f"the limit is {max_megapixels}.",
        )


def _draft(file: ImageFile.ImageFile, at_least_px: int | None) -> bool:
    """Ask a JPEG decoder for a smaller picture; True when it agreed."""
    if at_least_px is None or file.format not in {"JPEG", "MPO"}:
        return False
    before = file.size
    wanted = (min(before[0], at_least_px), min(before[1], at_least_px))
    file.draft(None, wanted)  # None leaves the mode alone
    return file.size != before


def exif_orientation(file: PillowImage.Image) -> int:
    """EXIF orientation, 1 to 8; 1 when there is none or it is damaged."""
    try:
        value = file.getexif().get(_ORIENTATION_TAG, 1)
    except DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and value in _TRANSPOSE else 1


def upright_rgb(file: PillowImage.Image, orientation: int, at_least_px: int | None) -> PillowImage.Image:
    """8-bit RGB, in display colours, over white, reduced where allowed, turned upright."""
    profile = file.info.get("icc_profile")
    image = _eight_bit(file)
    if image.mode in {"P", "PA"}:
        has_alpha = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if has_alpha else "RGB")
    elif image.mode in {"RGBa", "La"}:
        image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
    elif "transparency" in image.info and image.mode in {"1", "L", "RGB"}:
        image = image.convert("RGBA")
    if image.mode == "1":
        image = image.convert("L")
    image = _reduced(image, at_least_px)
    alpha = image.getchannel("A") if image.mode in {"RGBA", "LA"} else None
    if alpha is not None:
        image = image.convert(image.mode[:-1])
    image = _display_colours(image, profile)
    if alpha is not None:
        white = PillowImage.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=alpha)
        image = white
    if orientation in _TRANSPOSE:
        image = image.transpose(_TRANSPOSE[orientation])
    return image


def _reduced(image: PillowImage.Image, at_least_px: int | None) -> PillowImage.Image:
    """Shrink by a whole factor, leaving twice the pixels asked for."""
    if at_least_px is None:
        return image
    factor = min(image.size) // (2 * at_least_px)
    if factor <= 1:
        return image
    # Row by row of blocks: with alpha, Pillow makes a second copy of whatever it reduces.
    width, height = image.size
    small = PillowImage.new(image.mode, (-(-width // factor), -(-height // factor)))
    step = factor * max(1, _ROWS_A_STRIP // factor)
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(height, top + step)))
        small.paste(strip.reduce(factor), (0, top // factor))
    small.info = image.info
    return small


def _display_colours(image: PillowImage.Image, profile: bytes | None) -> PillowImage.Image:
    """RGB in the sRGB colour space; a damaged profile is left out."""
    if profile and image.mode in {"RGB", "L", "CMYK"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" in ImageCms.getProfileDescription(source) and image.mode == "RGB":
                return image
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            if converted is not None:
                return converted
        except DECODER_ERRORS as error:
            _log.debug("a colour profile is left out: %r", error)
    if image.mode == "LAB":
        lab, target = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return cast(PillowImage.Image, ImageCms.profileToProfile(image, lab, target, outputMode="RGB"))
    return image.convert("RGB")


def _eight_bit(image: PillowImage.Image) -> PillowImage.Image:
    """Pictures with 16 or 32 bits or fractions a channel, brought to 0..255."""
    if not image.mode.startswith("I") and image.mode != "F":
        return image
    strips = range(0, image.height, _ROWS_A_STRIP)
    low, gain = 0.0, 1.0 / 257.0
    if not image.mode.startswith("I;16"):
        bounds = [(float(part.min()), float(part.max())) for part in (_rows(image, top) for top in strips)]
        low, gain = _scale(min(b[0] for b in bounds), max(b[1] for b in bounds), is_float=image.mode == "F")
    scaled = np.empty((image.height, image.width), dtype=np.uint8)
    for top in strips:
        values = (_rows(image, top) - np.float32(low)) * np.float32(gain)
        scaled[top : top + _ROWS_A_STRIP] = np.clip(np.rint(values), 0, 255)
    return PillowImage.fromarray(scaled)


def _rows(image: PillowImage.Image, top: int) -> FloatArray:
    """Some rows as finite float32."""
    strip = image.crop((0, top, image.width, min(image.height, top + _ROWS_A_STRIP)))
    return np.nan_to_num(np.asarray(strip).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _scale(low: float, high: float, *, is_float: bool) -> tuple[float, float]:
    """What to subtract and multiply to bring a range of values to 0..255."""
    if low >= 0 and high <= 255:
        return 0.0, 255.0 if is_float and high <= 1.0 else 1.0
    if low >= 0 and high <= 65535 and not is_float:
        return 0.0, 1.0 / 257.0
    return low, 255.0 / max(high - low, 1e-12)


def _reason(error: BaseException, content: bytes) -> str:
    """What is wrong with a file, as a sentence for the user."""
    head = content[:512].lstrip().lower()
    for mark, kind in _OTHER_KINDS:
        if head.startswith(mark.lower()):
            return f"The file is {kind}, not a picture."
    if isinstance(error, UnidentifiedImageError):
        if content[4:8] == b"ftyp" and not content[8:12].startswith((b"hei", b"avi", b"mif", b"hev", b"msf")):
            return "The file is a video, not a picture."
        if content.startswith(_IMAGE_MARKS) or content[4:8] == b"ftyp":
            return "The file is damaged: its header makes no sense."
        if not content.strip(b"\x00"):
            return "The file is damaged: it holds nothing but zeros."
        return "The file is not a picture, or of a kind that is not supported."
    text = str(error).lower()
    if any(word in text for word in ("truncated", "end of file", "unexpected end", "not enough", "eof")):
        return "The file is damaged: it ends too early."
    if isinstance(error, NotImplementedError) or "unsupported" in text or "not supported" in text:
        return "The picture is stored in a way that is not supported."
    return "The file is damaged: its picture cannot be decoded."
