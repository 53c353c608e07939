#!/usr/bin/env python3
"""Compares the answers of two binaries, byte for byte.

    tools/same_answers.py BEFORE AFTER CORPUS [FOLDER ...]

Every picture of the folders (kodak, photos and camera) is fitted to 20 KB, 80 KB and 0.75 bits per pixel as JPEG, WebP,
AVIF, PNG and auto, by both binaries. Prints what differs and how many were compared; exit 1 if any differs.
"""

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count, environ
from pathlib import Path

FORMATS = ["jpeg", "webp", "avif", "png", "auto"]
BITS_PER_PIXEL = 0.75
# Far enough away that the machine's speed decides nothing.
DEADLINE = "600s"
ENVIRONMENT = {**environ, "BYTEFIT_FIT__MAX_DEADLINE": DEADLINE}
# The exit code of a command line that can't be run as it is: nothing was compared then.
BAD_USAGE = 2


def fit(binary, picture, target, fmt):
    """The hash of the answer, or the refusal's words."""
    command = [binary, "fit", picture, "--target", str(target), "--format", fmt, "--deadline", DEADLINE, "-o", "-"]
    done = subprocess.run(command, capture_output=True, check=False, env=ENVIRONMENT)
    if done.returncode == 0:
        return hashlib.sha256(done.stdout).hexdigest()
    if done.returncode == BAD_USAGE:
        sys.exit(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()}"


def pixels(binary, picture):
    """Width times height, from the report of a quick answer."""
    command = [binary, "fit", picture, "--target", "1MB", "--effort", "fast", "--json", "-o", "/dev/null"]
    report = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return report["input"]["width"] * report["input"]["height"]


def compare(before, after, picture):
    """The cases of one picture whose answers differ, and how many there are."""
    targets = [20_000, 80_000, int(pixels(before, picture) * BITS_PER_PIXEL / 8)]
    cases = [(target, fmt) for target in targets for fmt in FORMATS]
    differing = [case for case in cases if fit(before, picture, *case) != fit(after, picture, *case)]
    return picture, len(cases), differing


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    before, after, corpus = sys.argv[1:4]
    folders = sys.argv[4:] or ["kodak", "photos", "camera"]
    pictures = [str(path) for folder in folders for path in sorted((Path(corpus) / folder).iterdir())]
    compared = differ = 0
    with ThreadPoolExecutor(cpu_count()) as pool:
        for picture, cases, differing in pool.map(lambda path: compare(before, after, path), pictures):
            compared += cases
            differ += len(differing)
            for target, fmt in differing:
                print(f"{picture}: {fmt} at {target} bytes differs", flush=True)
    print(f"{compared} answers compared, {differ} differ")
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
