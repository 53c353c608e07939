"""Pillow under a byte target: the best whole quality by bisection. python3 pillow.py FORMAT BYTES INPUT OUTPUT

Prints the number of encodes and the seconds of CPU; writes nothing where no quality fits.
"""

import io
import sys
import time

from PIL import Image, ImageOps

SAVE = {
    "jpeg": {"optimize": True},
    "webp": {"method": 4},
    "avif": {},
}


def without_alpha(picture, name):
    """RGB, on white where the format has no alpha."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    if name != "jpeg":
        return picture
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def main(name, target, source, destination):
    started = time.process_time()
    picture = without_alpha(ImageOps.exif_transpose(Image.open(source)), name)
    low, high, encodes, best = 1, 95 if name == "jpeg" else 100, 0, None
    while low <= high:
        middle = (low + high) // 2
        file = io.BytesIO()
        picture.save(file, name, quality=middle, **SAVE[name])
        encodes += 1
        if file.tell() <= target:
            best, low = file.getvalue(), middle + 1
        else:
            high = middle - 1
    print(encodes, time.process_time() - started)
    if best is not None:
        with open(destination, "wb") as output:
            output.write(best)


main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
