#!/usr/bin/env python3
"""What one machine and many serve: python3 simulate.py

Requests are costs of CPU time, as measure.py prints them, spread as pictures are. The first table is the closed loop of the
service bench, to be held against what it measures; the others are what docs/scale.md says of many machines. The seed is
fixed, so that two runs print the same.
"""

import bisect
import heapq
import itertools
import math
import random

# CPU seconds of a computed answer and bytes of it; docs/scale.md has the table. CPU seconds of one from the cache.
CLASSES = {
    "0.4 MP to 30 KB of WebP": (0.060, 29_500),
    "2.8 MP to 80 KB of JPEG": (0.142, 78_600),
    "2.8 MP to 80 KB of WebP": (0.236, 78_800),
    "12 MP to 200 KB of WebP": (0.718, 197_400),
}
HIT_SECONDS = 0.0006
# Spread of the work of pictures within a class, the standard deviation of its logarithm: ln(p95 / p50) / 1.645, of 12
# photographs one after the other.
SPREAD = 0.5
# A mixture of uploads: shares of the classes.
MIXTURE = (0.3, 0.25, 0.35, 0.1)
CORES = 16
UTILISATION = 0.6
QUEUE_SLOTS = 64
# Memory of the cache of one instance, and of one Redis, in bytes.
MEMORY_CACHE = 256 << 20
REDIS_MEMORY = 32 << 30
LIFETIME_SECONDS = 24 * 3600


class Work:
    """Draws the CPU seconds of requests."""

    def __init__(self, seed, shares=MIXTURE):
        self.random = random.Random(seed)
        self.classes = [(seconds, share) for (seconds, _), share in zip(CLASSES.values(), shares)]

    def seconds(self):
        (mean,) = self.random.choices([seconds for seconds, _ in self.classes], [share for _, share in self.classes])
        # The mean of a lognormal distribution is exp(mu + sigma^2 / 2).
        return mean * math.exp(self.random.gauss(-SPREAD**2 / 2, SPREAD))


def mean_seconds(shares=MIXTURE):
    return sum(seconds * share for (seconds, _), share in zip(CLASSES.values(), shares))


def mean_bytes(shares=MIXTURE):
    return sum(size * share for (_, size), share in zip(CLASSES.values(), shares))


def percentile(times, share):
    return sorted(times)[int((len(times) - 1) * share)]


def closed_loop(cores, clients, requests, work):
    """Clients that each send one request after the other. Returns requests a second and the times that they took."""
    free = [0.0] * cores
    asked = [(0.0, client) for client in range(clients)]
    times, last = [], 0.0
    for _ in range(requests):
        at, client = heapq.heappop(asked)
        begins = max(at, heapq.heappop(free))
        ends = begins + work.seconds()
        heapq.heappush(free, ends)
        heapq.heappush(asked, (ends, client))
        times.append(ends - at)
        last = max(last, ends)
    return requests / last, times


def open_loop(cores, rate, requests, work, arrivals):
    """Requests that come by chance, at `rate` a second. Returns the times that they took and how many were refused."""
    free = [0.0] * cores
    waiting = []  # Times at which those in the queue begin.
    times, refused, at = [], 0, 0.0
    for _ in range(requests):
        at += arrivals.expovariate(rate)
        del waiting[: bisect.bisect_right(waiting, at)]
        if len(waiting) >= QUEUE_SLOTS:
            refused += 1
            continue
        begins = max(at, heapq.heappop(free))
        ends = begins + work.seconds()
        heapq.heappush(free, ends)
        if begins > at:
            bisect.insort(waiting, begins)
        times.append(ends - at)
    return times, refused


def hit_ratio(rate, pictures, exponent, entries):
    """Share of requests that a cache of `entries` answers. Che's approximation for one that drops the least recently used,
    with a lifetime; the popularity of pictures falls as rank^-exponent (Zipf)."""
    # Ranks in geometric groups: 10^9 pictures are 900 groups.
    edges, groups = [1], []
    while edges[-1] < pictures:
        edges.append(min(pictures, max(edges[-1] + 1, int(edges[-1] * 1.02))))
    for low, high in itertools.pairwise(edges):
        groups.append((high - low, ((low + high - 1) / 2) ** -exponent))
    whole = sum(count * weight for count, weight in groups)
    rates = [(count, rate * weight / whole) for count, weight in groups]

    def held(seconds):
        return sum(count * -math.expm1(-each * seconds) for count, each in rates)

    low, high = 0.0, float(LIFETIME_SECONDS)
    if held(high) > entries:
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if held(middle) < entries else (low, middle)
    return sum(count * each * -math.expm1(-each * high) for count, each in rates) / rate


def one_machine():
    print("one machine of 2 cores, 8 clients, distinct pictures of 2.8 MP to 80 KB of WebP")
    rate, times = closed_loop(2, 8, 6_000, Work(1, (0, 0, 1, 0)))
    print(f"  {rate:.2f} a second, p50 {percentile(times, 0.5) * 1000:.0f} ms, p95 {percentile(times, 0.95) * 1000:.0f} ms")


# Instances that share a Redis: its network is what they fill first.
INSTANCES_A_REDIS = 64


def instances_needed(computed_rate, hits_rate):
    return (computed_rate * mean_seconds() + hits_rate * HIT_SECONDS) / (CORES * UTILISATION)


def fleet(rate, name, pictures, exponent):
    """A number of instances of 16 cores that serves `rate` requests a second, and what lies on Redis."""
    size = mean_bytes()
    instances, ratio = 1, 0.0
    # More instances see fewer requests each, and fewer of them again.
    for _ in range(20):
        memory = hit_ratio(rate / instances, pictures, exponent, MEMORY_CACHE / size) if pictures else 0.0
        groups = max(1, math.ceil(instances / INSTANCES_A_REDIS))
        shared = hit_ratio(rate / groups, pictures, exponent, REDIS_MEMORY / size) if pictures else 0.0
        ratio = max(memory, shared)
        instances = max(1, math.ceil(instances_needed(rate * (1 - ratio), rate * ratio)))
    computed = rate * (1 - ratio)
    work, arrivals = Work(2), random.Random(3)
    times, refused = open_loop(CORES, computed / instances, 40_000, work, arrivals)
    reads = rate * (1 - memory)
    busy = computed * mean_seconds() + rate * ratio * HIT_SECONDS
    p50, p95 = (percentile(times, share) * 1000 for share in (0.5, 0.95))
    columns = (
        f"{rate:,}",
        name,
        f"{memory:.0%}",
        f"{ratio:.0%}",
        f"{computed:,.0f}",
        f"{busy:,.0f}",
        f"{instances:,}",
        f"{p50:.0f} / {p95:.0f}",
        f"{refused / 40_000:.2%}",
        f"{reads:,.0f}",
        f"{(reads - computed) * size / 1e9:.2f} out, {computed * size / 1e9:.2f} in",
        f"{groups}",
    )
    print(f"| {' | '.join(columns)} |")


def load(cores):
    print(f"one instance of {cores} cores by utilisation: computed a second, p50, p95, refused")
    for utilisation in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2):
        times, refused = open_loop(cores, utilisation * cores / mean_seconds(), 40_000, Work(2), random.Random(3))
        p50, p95 = (percentile(times, share) * 1000 for share in (0.5, 0.95))
        rate = utilisation * cores / mean_seconds()
        print(f"| {utilisation:.0%} | {rate:.0f} | {p50:.0f} ms | {p95:.0f} ms | {refused / 40_000:.2%} |")


def main():
    one_machine()
    print(f"mixture: {mean_seconds() * 1000:.0f} CPU ms, answers of {mean_bytes() / 1000:.0f} KB")
    load(CORES)
    load(2)
    print("rate, pictures, hits in memory, hits in all, computed a second, busy cores, instances, p50 / p95 ms, refused,")
    print("reads of Redis a second, GB a second from and to Redis, number of Redis")
    for rate in (1_000, 100_000):
        fleet(rate, "each once", 0, 0)
        fleet(rate, "10^8, exponent 0.8", 10**8, 0.8)
        fleet(rate, "10^6, exponent 1", 10**6, 1.0)


if __name__ == "__main__":
    main()
