#!/bin/sh
# Installs nasm where it is missing: the AVIF and JPEG encoders are written in its assembly.
set -eu
command -v nasm >/dev/null 2>&1 && exit 0
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if command -v apt-get >/dev/null 2>&1; then
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends nasm
elif command -v dnf >/dev/null 2>&1; then
    as_root dnf install -y -q nasm
elif command -v apk >/dev/null 2>&1; then
    as_root apk add --no-cache nasm
elif command -v brew >/dev/null 2>&1; then
    brew install nasm
else
    echo "bytefit needs nasm (https://www.nasm.us): install it and run this again" >&2
    exit 1
fi
