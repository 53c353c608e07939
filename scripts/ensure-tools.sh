#!/bin/sh
# Installs what is missing to build the encoders: nasm for their assembly, cmake and a C++ compiler for libaom.
set -eu
missing=
for tool in nasm cmake c++; do command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"; done
[ -n "$missing" ] || exit 0
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if command -v apt-get >/dev/null 2>&1; then
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends nasm cmake make g++
elif command -v dnf >/dev/null 2>&1; then
    as_root dnf install -y -q nasm cmake make gcc-c++
elif command -v apk >/dev/null 2>&1; then
    as_root apk add --no-cache nasm cmake make g++
elif command -v brew >/dev/null 2>&1; then
    brew install nasm cmake
else
    echo "bytefit needs$missing: install it and run this again" >&2
    exit 1
fi
