"""Puts the pictures of a folder, or of a ZIP the service handed over, on one sheet, in the order of their names.

python scripts/contact_sheet.py demo-output/the_paper_boat.zip docs/images/the_paper_boat.jpg
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from pathlib import Path

from PIL import Image, ImageOps

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
PAPER = "#f4ead6"
GAP = 12  # pixels between pictures


def main() -> int:
    """Write the sheet; 1 when there is nothing to put on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a folder of pictures, or a ZIP of them")
    parser.add_argument("target", type=Path, help="the sheet to write, .jpg or .png")
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--width", type=int, default=480, help="of one picture, in pixels")
    options = parser.parse_args()
    pictures = read(options.source)
    if not pictures:
        print(f"{options.source} holds no pictures.", file=sys.stderr)
        return 1
    sheet(pictures, columns=options.columns, width=options.width).save(options.target, quality=86)
    return 0


def read(source: Path) -> list[Image.Image]:
    """The pictures at the top of a folder or a ZIP, by name."""
    if source.is_dir():
        return [Image.open(file) for file in sorted(source.iterdir()) if file.suffix.lower() in SUFFIXES]
    with zipfile.ZipFile(source) as archive:
        names = sorted(name for name in archive.namelist() if Path(name).suffix.lower() in SUFFIXES and "/" not in name)
        return [Image.open(io.BytesIO(archive.read(name))) for name in names]


def sheet(pictures: list[Image.Image], *, columns: int, width: int) -> Image.Image:
    """The pictures in rows, each scaled to the same cell."""
    height = round(width * pictures[0].height / pictures[0].width)
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), PAPER)
    for i, picture in enumerate(pictures):
        cell = ImageOps.fit(picture.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
        page.paste(cell, (GAP + i % columns * (width + GAP), GAP + i // columns * (height + GAP)))
    return page


if __name__ == "__main__":
    sys.exit(main())
