#!/usr/bin/env python3
"""Checks sets and transforms through a service that it starts on the loopback interface.

    tools/sets.py BINARY CORPUS [CHECK ...]

Checks, all by default:
  same     50 pictures of the folders kodak, photos and camera, 3 widths in 3 formats: every output of /variants is
           byte for byte what /compress gives
  partial  one impossible output of nine: the other eight arrive, in each kind of answer
  leave    a client that leaves after the first part frees the pool within a second
  zip      the archive opens in unzip, Python and bsdtar, which reads it as a stream
  chains   500 random chains of transforms on real pictures: none over its target, each of the size asked for
  cost     CPU time of a set over that of its nine calls, and peak memory over that of the largest, of camera files of
           12 megapixels

Exit 1 if anything is not as promised. Takes Pillow, unzip and bsdtar.
"""

import http.client
import io
import json
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from os import cpu_count, environ, sysconf
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image

FORMATS = ["jpeg", "webp", "avif"]
WIDTHS = [320, 800, 1600]
# Widths whose costs are measured.
COST_WIDTHS = [[320, 800, 1600], [160, 640, 2048], [320, 1024, 2048]]
BITS_PER_PIXEL = 0.9
PICTURES = 50
CHAINS = 500
# Pixels of the camera files whose costs are measured, at least.
COST_PIXELS = 12_000_000
# Seconds in which the pool must be idle when a client has left.
LEAVE_LIMIT = 1.0
CPU_LIMIT = 0.65
MEMORY_LIMIT = 1.1
# Far enough away that the machine's speed decides nothing.
DEADLINE = "60s"
TICKS = sysconf("SC_CLK_TCK")

Image.MAX_IMAGE_PIXELS = None


class Service:
    """A running service."""

    def __init__(self, process, port):
        self.process = process
        self.port = port

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of the answer."""
        connection = self.connect()
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    def compress(self, parameters, picture):
        query = urlencode({"deadline": DEADLINE, **parameters})
        return self.ask("POST", f"/compress?{query}", picture)

    def variants(self, spec, picture, accept):
        body, headers = form({"deadline": DEADLINE, **spec}, picture)
        return self.ask("POST", "/variants", body, {**headers, "Accept": accept})

    def metric(self, name):
        text = self.ask("GET", "/metrics")[2].decode()
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))

    def cpu_seconds(self):
        """CPU time of the process so far, with its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@contextmanager
def service(binary, **settings):
    """A service without a cache, whose settings are as in BYTEFIT_SECTION__KEY."""
    settings = {"SERVER__LISTEN": "127.0.0.1:0", "CACHE__CAPACITY": "0", "LOG__FORMAT": "json", **settings}
    environment = {**environ, **{f"BYTEFIT_{name}": value for name, value in settings.items()}}
    process = subprocess.Popen([binary, "serve"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        lines = (json.loads(line) for line in process.stdout)
        address = next(line["address"] for line in lines if "address" in line)
        # The log must be read, or the service would wait for its reader.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: [None for _ in process.stdout])
            yield Service(process, int(address.rsplit(":", 1)[1]))
            process.terminate()
    finally:
        process.terminate()
        process.wait(60)


def form(spec, picture):
    """Body and headers of a form."""
    edge = "----a-set-of-outputs"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="spec"\r\n\r\n{json.dumps(spec)}\r\n'
    head += f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head.encode() + picture + f"\r\n--{edge}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={edge}"}


def files(corpus, *folders):
    return [path for folder in folders for path in sorted((Path(corpus) / folder).iterdir())]


def nine(widths, **parameters):
    """The parameters of nine outputs, by name."""
    target = {width: int(width * width * 0.7 * BITS_PER_PIXEL / 8) for width in widths}
    return {
        f"{width}.{kind}": {"width": width, "format": kind, "target": target[width], "deadline": DEADLINE, **parameters}
        for width in widths
        for kind in FORMATS
    }


def spec_of(outputs):
    return {"outputs": [{"name": name, **parameters} for name, parameters in outputs.items()]}


def unzipped(body):
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {Path(name).name: archive.read(name) for name in archive.namelist()}


def image_of(images, name):
    """The image of the output `name`, whose file may have an extension of its own."""
    return next((image for file, image in images.items() if file == name or file.rsplit(".", 1)[0] == name), None)


def check_same(binary, corpus):
    pictures = [(path, {}) for path in files(corpus, "kodak", "photos", "camera")]
    parts = [(path, {"crop": "10%,15%,70%,60%"}) for path, _ in pictures]
    pictures = (pictures + parts)[:PICTURES]
    differing = compared = 0
    with service(binary, ENGINE__WORKERS="processes") as running, ThreadPoolExecutor(cpu_count()) as pool:

        def differences(path, parameters):
            picture, outputs = path.read_bytes(), nine(WIDTHS, **parameters)
            status, _, body = running.variants(spec_of(outputs), picture, "application/zip")
            images = unzipped(body) if status == 200 else {}
            single = {name: running.compress(of_output, picture)[2] for name, of_output in outputs.items()}
            return path, [name for name, image in single.items() if image_of(images, name) != image]

        for path, names in pool.map(lambda pair: differences(*pair), pictures):
            compared += 9
            differing += len(names)
            for name in names:
                print(f"{path.name}: {name} differs", flush=True)
    print(f"same: {len(pictures)} pictures, {compared} outputs compared, {differing} differ")
    return differing == 0 and len(pictures) == PICTURES


def check_partial(binary, corpus):
    picture = files(corpus, "kodak")[0].read_bytes()
    outputs = nine(WIDTHS)
    bad = "800.webp"
    outputs[bad]["target"] = 9
    good = sorted(name for name in outputs if name != bad)
    met = True
    with service(binary, ENGINE__WORKERS="processes") as running:
        single = {name: running.compress(outputs[name], picture)[2] for name in good}
        for accept in ["application/json", "application/zip", "multipart/mixed"]:
            status, headers, body = running.variants(spec_of(outputs), picture, accept)
            if accept == "application/json":
                listed = json.loads(body)["outputs"]
                arrived = sorted(output["name"] for output in listed if output["status"] == "ok")
                code = next(output["problem"]["code"] for output in listed if output["name"] == bad)
                is_met = arrived == good and code == "target_unreachable" and headers["Bytefit-Failed"] == "1"
            else:
                arrived = [name for name in good if single[name] in body]
                is_met = arrived == good
            print(f"partial: {accept}: status {status}, {len(arrived)} of 9 arrive")
            met = met and is_met and status == 200
    return met


def check_leave(binary, corpus):
    picture = files(corpus, "camera")[0].read_bytes()
    outputs = nine([320, 1600, 2400], effort="best")
    met = True
    for workers in ["processes", "threads"]:
        with service(binary, ENGINE__WORKERS=workers) as running:
            body, headers = form({"deadline": DEADLINE, **spec_of(outputs)}, picture)
            connection = running.connect()
            connection.request("POST", "/variants", body, {**headers, "Accept": "multipart/mixed"})
            answer = connection.getresponse()
            answer.read(500)
            working = running.metric("bytefit_jobs_in_flight")
            # Both hold the socket.
            answer.close()
            connection.close()
            left = time.monotonic()
            while running.metric("bytefit_jobs_in_flight") > 0 and time.monotonic() - left < 30:
                time.sleep(0.01)
            idle = time.monotonic() - left
            print(f"leave: {workers}: {working:.0f} job at work after the first part, idle {idle:.2f} s after it left")
            met = met and working == 1 and idle <= LEAVE_LIMIT
    return met


def check_zip(binary, corpus):
    picture = files(corpus, "kodak")[2].read_bytes()
    with service(binary) as running:
        status, headers, body = running.variants(spec_of(nine(WIDTHS)), picture, "application/zip")
    images = unzipped(body)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "a.zip"
        archive.write_bytes(body)
        tested = subprocess.run(["unzip", "-tq", archive], capture_output=True, check=False).returncode
        streamed = subprocess.run(["bsdtar", "-xf", "-"], input=body, cwd=folder, capture_output=True, check=False)
        archive.unlink()
        unpacked = {path.name: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    is_streamed = streamed.returncode == 0 and unpacked == images
    opened = {"unzip": tested == 0, "Python": len(images) >= 9, "bsdtar": is_streamed}
    exact = int(headers["Content-Length"]) == len(body)
    print(f"zip: status {status}, {len(images)} files, exact length: {exact}, opens in: {opened}")
    return status == 200 and exact and all(opened.values())


def random_chain(chance, width, height):
    """Parameters, and the size that they must give as (width, height), or as the box that it must fit into."""
    parameters = {"downscale": "never", "format": chance.choice([*FORMATS, "png"]), "quality": 60}
    if chance.random() < 0.5:
        left, top = chance.randrange(width // 2), chance.randrange(height // 2)
        width, height = chance.randrange(40, width - left), chance.randrange(40, height - top)
        parameters["crop"] = f"{left},{top},{width},{height}"
    parameters["rotate"] = chance.choice([0, 90, 180, 270])
    if parameters["rotate"] in (90, 270):
        width, height = height, width
    parameters["flip"] = chance.choice(["none", "horizontal", "vertical"])
    is_boxed = False
    if chance.random() < 0.8:
        box = chance.randrange(20, 700), chance.randrange(20, 700)
        parameters |= {"width": box[0], "height": box[1], "enlarge": "true"}
        parameters["resize"] = chance.choice(["inside", "cover", "fill", "contain"])
        is_boxed = parameters["resize"] == "inside"
        if is_boxed:
            scale = min(box[0] / width, box[1] / height)
            width, height = width * scale, height * scale
        else:
            width, height = box
        if parameters["resize"] in ("cover", "contain"):
            gravity = ["centre", "north", "south-west", "0.3,0.7"]
            parameters["gravity"] = chance.choice(gravity + ["smart"] * (parameters["resize"] == "cover"))
    if chance.random() < 0.4:
        parameters["blur"] = round(chance.choice([chance.uniform(0.3, 5), chance.uniform(5, 100)]), 2)
    if chance.random() < 0.4:
        parameters["sharpen"] = round(chance.uniform(0.1, 10), 2)
    parameters["grayscale"] = chance.choice(["true", "false"])
    parameters["target"] = max(2_000, int(width * height * chance.uniform(0.1, 0.6)))
    return parameters, (width, height)


def check_chains(binary, corpus):
    chance = random.Random(1)
    pictures = [path.read_bytes() for path in files(corpus, "kodak", "photos")]
    sizes = [Image.open(io.BytesIO(picture)).size for picture in pictures]
    chosen = [chance.randrange(len(sizes)) for _ in range(CHAINS)]
    cases = [(index, *random_chain(chance, *sizes[index])) for index in chosen]
    over = refused = wrong = answered = 0
    with service(binary, ENGINE__WORKERS="processes") as running, ThreadPoolExecutor(cpu_count()) as pool:
        answers = pool.map(lambda case: running.compress(case[1], pictures[case[0]]), cases)
        for (_, parameters, size), (status, _, body) in zip(cases, answers):
            if status == 422 and json.loads(body)["code"] == "target_unreachable":
                refused += 1
                continue
            answered += 1
            shown = Image.open(io.BytesIO(body)).size if status == 200 else None
            over += len(body) > parameters["target"]
            if shown is None or any(abs(side - wanted) > 1 - 1e-9 for side, wanted in zip(shown, size)):
                wrong += 1
                print(f"chain {parameters}: status {status}, {shown} instead of {size}", flush=True)
    print(f"chains: {answered} answered, {refused} targets out of reach, {over} over, {wrong} of another size")
    return over == 0 and wrong == 0 and answered > CHAINS * 0.8


def cost(binary, picture, outputs, ask):
    """CPU time and peak memory of a service that does `ask`, beyond those of one that does nothing."""
    with service(binary, ENGINE__WORKERS="threads", ENGINE__THREADS="1") as running:
        before = running.cpu_seconds()
        ask(running, picture, outputs)
        return running.cpu_seconds() - before, running.peak_bytes()


def ask_together(running, picture, outputs):
    status, headers, _ = running.variants(spec_of(outputs), picture, "application/zip")
    assert status == 200 and headers["Bytefit-Failed"] is None, headers


def ask_each(running, picture, outputs):
    for parameters in outputs.values():
        assert running.compress(parameters, picture)[0] == 200


def check_cost(binary, corpus):
    met = True
    for widths in COST_WIDTHS:
        for path in files(corpus, "camera"):
            with Image.open(path) as image:
                if image.width * image.height < COST_PIXELS:
                    continue
            picture, outputs = path.read_bytes(), nine(widths)
            largest = max(
                cost(binary, picture, {name: parameters}, ask_each)[1]
                for name, parameters in outputs.items()
                if parameters["width"] == widths[-1]
            )
            ratios = []
            for _ in range(3):
                together, peak = cost(binary, picture, outputs, ask_together)
                each, _ = cost(binary, picture, outputs, ask_each)
                ratios.append(together / each)
            ratio, memory = sorted(ratios)[1], peak / largest
            print(f"cost: {path.name} {widths}: CPU {ratio:.3f}, peak memory {memory:.3f}", flush=True)
            met = met and ratio <= CPU_LIMIT and memory <= MEMORY_LIMIT
    return met


CHECKS = {
    "same": check_same,
    "partial": check_partial,
    "leave": check_leave,
    "zip": check_zip,
    "chains": check_chains,
    "cost": check_cost,
}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, corpus = sys.argv[1:3]
    failed = [name for name in sys.argv[3:] or CHECKS if not CHECKS[name](binary, corpus)]
    sys.exit(f"not as promised: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
