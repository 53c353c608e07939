#!/usr/bin/env python3
"""Compares the pixels that bytefit decodes with those of a second decoder, Pillow.

    tools/second_decoder.py BINARY FOLDER ...

Every file below the folders is fitted to a lossless picture by BINARY and decoded by Pillow. Prints the mean difference
in levels of 255 of each file that differs by more than LIMIT, and which files only one of the two decodes. A file that
differs, is not among EXCEPTIONS and was answered all the same is a silent fault: exit 1. A JPEG of whose data libjpeg's
djpeg says that it is corrupt may differ, because every decoder guesses on its own. Takes Pillow and numpy, and djpeg.
"""

import io
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count, environ
from pathlib import Path

import numpy
from PIL import Image, ImageCms, ImageOps

# Decoders of JPEG differ by up to half a level in their cosine transforms and in how they spread colour differences;
# two colour engines by as much again.
LIMIT = 1.5
# A lossless picture of 100 megapixels fits.
TARGET = "400MB"
ENVIRONMENT = {**environ, "BYTEFIT_LIMITS__MAX_TARGET": "1GB", "BYTEFIT_FIT__MAX_DEADLINE": "600s"}
# The end of a path, and why the two may differ there.
EXCEPTIONS = {
    "field/refused/icc_two_one.jpg": "Pillow joins the chunks of a profile that are numbered wrongly; we ignore them",
    "formats/fox.profile1.10bpc.yuv444.avif": "Pillow rounds 10 bits to 8 before it converts the colours; avifdec agrees",
    "hostile/png/4e76c3aeb27467b0a2eaa7f1dcb978c350954fae": "Pillow compares a transparent grey of 4 bits with samples of 8",
    "formats/tbgn2c16.png": "Pillow compares a transparent colour of 16 bits with samples of 8",
}

Image.MAX_IMAGE_PIXELS = None
SRGB = ImageCms.createProfile("sRGB")


def ours(binary, path):
    """The pixels that bytefit decodes, or None with the words of the refusal."""
    # A file that fits comes back as it is. In another format it does not.
    fmt = "webp" if path.read_bytes()[:4] == b"\x89PNG" else "png"
    command = [binary, "fit", str(path), "--target", TARGET, "--format", fmt, "--deadline", "600s", "--effort", "fast"]
    done = subprocess.run([*command, "-o", "-"], capture_output=True, check=False, env=ENVIRONMENT)
    if done.returncode != 0:
        return None, done.stderr.decode(errors="replace").strip()
    picture = Image.open(io.BytesIO(done.stdout))
    return numpy.asarray(picture.convert("RGBA"), dtype=numpy.float32), ""


def to_8_bits(picture):
    """Grey of more than 8 bits, which Pillow would cut off at 255."""
    levels = numpy.asarray(picture, dtype=numpy.float32)
    if picture.mode == "F":
        levels = levels * 255
    elif picture.mode.startswith("I"):
        levels = levels / 257
    return Image.fromarray(levels.clip(0, 255).round().astype(numpy.uint8))


def in_srgb(picture):
    """The picture in sRGB, as its profile says."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return picture
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    colours = picture.convert("RGB") if alpha else picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        colours = ImageCms.profileToProfile(colours, source, SRGB, renderingIntent=0, outputMode="RGB")
    except ImageCms.PyCMSError:
        return picture
    if alpha:
        colours.putalpha(alpha)
    return colours


def theirs(path):
    """The pixels that Pillow decodes, or None with its words."""
    try:
        with Image.open(path) as picture:
            picture.load()
            picture = ImageOps.exif_transpose(picture)
            if picture.mode == "F" or picture.mode.startswith("I"):
                picture = to_8_bits(picture)
            picture = in_srgb(picture)
            return numpy.asarray(picture.convert("RGBA"), dtype=numpy.float32), ""
    except Exception as error:  # Pillow raises many kinds
        return None, f"{type(error).__name__}: {error}"


def difference(one, other):
    """Mean difference in levels. What is transparent counts as far as it is seen."""
    if one.shape != other.shape:
        return float("inf")
    seen = [numpy.concatenate([p[..., :3] * p[..., 3:] / 255, p[..., 3:]], axis=2) for p in (one, other)]
    # The worst channel: a swapped one must not hide behind three that are right.
    return float(numpy.abs(seen[0] - seen[1]).mean(axis=(0, 1)).max())


def is_corrupt(path):
    """Whether djpeg finds damage in a JPEG."""
    if path.read_bytes()[:2] != b"\xff\xd8":
        return False
    done = subprocess.run(["djpeg", "-outfile", "/dev/null", str(path)], capture_output=True, check=False)
    return done.returncode != 0 or b"Corrupt JPEG data" in done.stderr or b"Premature end" in done.stderr


def reason(path):
    """Why the file may differ, or None."""
    return next((why for end, why in EXCEPTIONS.items() if str(path).endswith(end)), None)


def compare(binary, path):
    """A verdict, and the words to it."""
    mine, refusal = ours(binary, path)
    if "limit is" in refusal:
        return "over a limit", refusal.split(": ", 2)[-1]
    second, error = theirs(path)
    if mine is None and second is None:
        return "refused by both", ""
    if mine is None:
        return "refused by bytefit alone", refusal.split(": ", 2)[-1]
    if second is None:
        return "decoded by bytefit alone", error
    off = difference(mine, second)
    if off <= LIMIT:
        return "alike", f"{off:.2f}"
    if reason(path):
        return "accepted", f"{off:.2f} levels off: {reason(path)}"
    if is_corrupt(path):
        return "damaged", f"{off:.2f} levels off"
    return "DIFFERENT", f"{off:.2f} levels off"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, *folders = sys.argv[1:]
    paths = sorted(path for folder in folders for path in Path(folder).rglob("*") if path.is_file())
    verdicts = Counter()
    with ThreadPoolExecutor(cpu_count()) as pool:
        for path, (verdict, words) in zip(paths, pool.map(lambda path: compare(binary, path), paths)):
            verdicts[verdict] += 1
            if verdict not in ("alike", "refused by both"):
                print(f"{verdict}: {path}: {words}", flush=True)
    print(f"{len(paths)} files: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))
    print(f"{verdicts['DIFFERENT']} silent faults")
    sys.exit(verdicts["DIFFERENT"] > 0)


if __name__ == "__main__":
    main()
