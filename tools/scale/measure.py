#!/usr/bin/env python3
"""Measures what a class of requests costs: python3 measure.py BINARY CLIENTS REQUESTS QUERY FILE...

QUERY is that of POST /compress, with the target in bytes: "format=webp&target=80000". Each request asks for a byte less than
the one before, so that none is answered from the cache; with REQUESTS=hits the same is asked again and again for five
seconds. Prints requests a second, CPU seconds a request (server and workers together), median and 95th percentile.
"""

import http.client
import itertools
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(root):
    """CPU time of a process and of all below it, those that ended included."""
    stats = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        stats[int(path.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])))
    family = {root}
    while True:
        more = {pid for pid, (parent, _) in stats.items() if parent in family} - family
        if not more:
            return sum(stats[pid][1] for pid in family if pid in stats) / TICKS
        family |= more


def start(binary):
    server = subprocess.Popen([binary, "serve", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if address := re.search(r'"address":"([^"]+)"', line):
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return server, address[1]
    sys.exit("the server did not start")


def main():
    binary, clients, requests, query, *files = sys.argv[1:]
    bodies = [pathlib.Path(file).read_bytes() for file in files]
    server, address = start(binary)
    target = int(re.search(r"target=(\d+)", query)[1])
    hits = requests == "hits"
    numbers = itertools.count() if hits else iter(range(int(requests)))
    lock, times, out_bytes = threading.Lock(), [], []
    until = time.monotonic() + 5

    def path(number):
        return "/compress?deadline=60s&" + query.replace(str(target), str(target - (0 if hits else number)))

    def client():
        connection = http.client.HTTPConnection(address, timeout=120)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None or (hits and time.monotonic() > until):
                return
            asked = time.monotonic()
            connection.request("POST", path(number), bodies[number % len(bodies)])
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200 and len(body) <= target, (answer.status, body[:200])
            with lock:
                times.append(time.monotonic() - asked)
                out_bytes.append(len(body))

    if hits:
        for number, body in enumerate(bodies):
            warm = http.client.HTTPConnection(address, timeout=120)
            warm.request("POST", path(number), body)
            warm.getresponse().read()
    threads = [threading.Thread(target=client) for _ in range(int(clients))]
    before, began = cpu_seconds(server.pid), time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed, spent = time.monotonic() - began, cpu_seconds(server.pid) - before
    server.terminate()
    server.wait()
    times.sort()
    count = len(times)
    print(
        f"{query}: {count} requests of {sum(map(len, bodies)) / len(bodies) / 1e6:.2f} MB, {count / elapsed:.2f} a second, "
        f"{spent / count * 1000:.2f} CPU ms a request, p50 {times[count // 2] * 1000:.0f} ms, "
        f"p95 {times[int((count - 1) * 0.95)] * 1000:.0f} ms, answers of {sum(out_bytes) / count / 1000:.1f} KB"
    )


main()
