"""Real pictures of any size in pixels and bytes, painted once and then told apart by a few bytes each; and bombs."""

from __future__ import annotations

import functools
import hashlib
import io
import struct
import zlib

from PIL import Image, ImageFilter

Colour = tuple[int, int, int]

MARK_BYTES = 64  # room in which each copy of a picture carries its own id
_MAX_COMMENT = 65_533
_PNG_END = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
_BLOCK = 1 << 20
CONTENT_TYPES = {"JPG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def picture(
    width: int, height: int, *, size_bytes: int, kind: str = "JPG", mark: str = "", bars: tuple[Colour, ...] = ()
) -> bytes:
    """A picture of that kind (JPG, PNG, WEBP) that decoders accept, at least `size_bytes` long (WEBP as it comes).

    `mark` makes the bytes this picture's own, as a real provider's would be, at the price of one copy. `bars` are
    painted over its upper eighth, from left to right.
    """
    start, end = _template(width, height, size_bytes, kind, bars)
    if kind == "JPG":
        return start + _jpeg_comment(mark.encode().ljust(MARK_BYTES)[:MARK_BYTES]) + end
    if kind == "PNG":
        return start + _png_chunk(b"idNt", mark.encode().ljust(MARK_BYTES)[:MARK_BYTES]) + end
    return start


@functools.lru_cache(maxsize=32)
def _template(width: int, height: int, size_bytes: int, kind: str, bars: tuple[Colour, ...]) -> tuple[bytes, bytes]:
    """The picture in two halves, with the place for the mark between them."""
    painted = _paint(width, height, kind, bars)
    missing = size_bytes - len(painted) - MARK_BYTES
    if kind == "JPG":
        return painted[:2] + _jpeg_padding(missing), painted[2:]
    if kind == "PNG":
        padding = _png_chunk(b"paDd", b"\0" * missing) if missing > 0 else b""
        return painted[: -len(_PNG_END)] + padding, _PNG_END
    return painted, b""


def bar_colour(content: bytes) -> Colour:
    """The colour by which a reference picture is told in the pictures drawn after it."""
    digest = hashlib.sha256(content).digest()
    return digest[0], digest[1], digest[2]


def bar_at(number: int, count: int, width: int, height: int) -> tuple[int, int]:
    """The middle of a bar."""
    return (2 * number + 1) * width // (2 * count), height // 16


def _paint(width: int, height: int, kind: str, bars: tuple[Colour, ...]) -> bytes:
    noise = Image.effect_noise((max(1, width // 8), max(1, height // 8)), 60).resize((width, height))
    image = Image.merge(
        "RGB", (noise, noise.filter(ImageFilter.BoxBlur(4)), Image.linear_gradient("L").resize((width, height)))
    )
    for number, colour in enumerate(bars):
        left, right = number * width // len(bars), (number + 1) * width // len(bars)
        image.paste(colour, (left, 0, right, max(1, height // 8)))
    out = io.BytesIO()
    if kind == "JPG":
        image.save(out, "JPEG", quality=80)
    else:
        image.save(out, kind)
    return out.getvalue()


def _jpeg_padding(missing: int) -> bytes:
    """COM segments after the start marker: decoders skip them, the wire does not."""
    segments: list[bytes] = []
    while missing > 4:
        payload = min(_MAX_COMMENT, missing - 4)
        segments.append(_jpeg_comment(b" " * payload))
        missing -= payload + 4
    return b"".join(segments)


def _jpeg_comment(payload: bytes) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", len(payload) + 2) + payload


def _png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


# --- What nobody asked for -------------------------------------------------------------------------------------


def odd_picture(kind: str, width: int, height: int) -> bytes:
    """A file of that size that is not one picture in a format a browser and a book both take."""
    match kind:
        case "HTML":
            return b"<!doctype html><html><body onload=alert(1)>not here</body></html>"
        case "SVG":
            body = '<image href="file:///etc/passwd"/><script>alert(1)</script>'
            return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{body}</svg>'.encode()
        case "PDF":
            return b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    out = io.BytesIO()
    image = Image.new("RGB", (width, height), (200, 60, 20))
    name, _, animated = kind.partition(" ")
    if animated:
        frames = [Image.new("RGB", (width, height), (20, 60, 200)), Image.new("RGB", (width, height), (9, 9, 9))]
        image.save(out, name, save_all=True, append_images=frames, duration=100)
    else:
        image.save(out, name)
    return out.getvalue()


def flat_png(width: int, height: int, *, text_bytes: int = 0, extra_bytes: int = 0) -> bytes:
    """A black greyscale PNG of any size in few bytes; its text, or what follows its rows, may inflate to any size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", _png_chunk(b"IHDR", head)]
    if text_bytes:
        parts.append(_png_chunk(b"zTXt", b"Comment\0\0" + _zlib_zeros(text_bytes)))
    parts.append(_png_chunk(b"IDAT", _zlib_zeros(height * (width + 1) + extra_bytes)))
    return b"".join([*parts, _PNG_END])


@functools.lru_cache(maxsize=4)
def gzip_bomb(spaces: int, end: bytes) -> bytes:
    """So many spaces and then `end`, as gzip."""
    checksum = 0
    block = b" " * _BLOCK
    for _ in range(spaces // _BLOCK):
        checksum = zlib.crc32(block, checksum)
    checksum = zlib.crc32(b" " * (spaces % _BLOCK) + end, checksum)
    tail = struct.pack("<II", checksum, (spaces + len(end)) % 2**32)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + _deflated(b" ", spaces, end) + tail


def _zlib_zeros(count: int) -> bytes:
    checksum = (count % 65_521) << 16 | 1  # Adler-32 of zeros, without making them
    return b"\x78\xda" + _deflated(b"\0", count) + struct.pack(">I", checksum)


def _deflated(byte: bytes, count: int, end: bytes = b"") -> bytes:
    """`count` times that byte and then `end`; a block is compressed once and its bytes repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(byte * _BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    return block * (count // _BLOCK) + last.compress(byte * (count % _BLOCK) + end) + last.flush()
