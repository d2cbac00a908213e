#!/usr/bin/env python3
"""The measurements of bench.sh: the whole process from outside, and a bare SQLite beside it. Standard library only."""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

BEST_OF = 5
AS_OF = "2026-11-23T06:00:00Z"
STAGES = ["pull", "select", "map", "deliver"]
# What a referral costs in rows at the least, and about how many bytes each row carries on made-up data.
FLOOR = [("keyring", 60), ("raw", 450), ("raw", 350), ("leg", 120), ("ledger", 150), ("ledger", 150), ("fact", 60), ("drop_row", 60)]
GROUP = 2000


def measured(command):
    """Runs a command; wall seconds and peak memory in MB of it alone."""
    start = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1):  # 1: some of the made-up referrals are held, as they should be
        sys.exit(f"bench: {' '.join(command)} ended with {code}")
    return seconds, usage.ru_maxrss / 1024


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def generated(workload, work, referrals):
    """A folder of made-up extracts of so many referrals."""
    extracts = fresh(work / f"extracts-{referrals}")
    subprocess.run([sys.executable, workload / "generate.py", "--out", extracts, "--referrals", str(referrals)], check=True, stdout=subprocess.DEVNULL)
    return extracts


def outward(kith, workload, work, extracts):
    """Seconds and peak memory of one whole run on a fresh store."""
    home = fresh(work / "home")
    subprocess.run([sys.executable, workload / "install.py", "--dir", home, "--extracts", extracts], check=True, stdout=subprocess.DEVNULL)
    return measured([str(kith), "run", "--once", *STAGES, "--as-of", AS_OF, "--json", "--config", str(home / "config" / "kith.toml")])


def floor(work, referrals):
    """Seconds for the same number of rows of like sizes, bare: WAL, synchronous FULL, prepared statements, 2,000 referrals a transaction."""
    path = fresh(work / "floor") / "floor.db"
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=FULL")
    tables = [f"{name}_{place}" for place, (name, _) in enumerate(FLOOR)]
    for table in tables:
        store.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    bodies = [os.urandom(size) for _, size in FLOOR]
    start = time.monotonic()
    for first in range(0, referrals, GROUP):
        store.execute("BEGIN IMMEDIATE")
        for table, body in zip(tables, bodies):
            rows = ((number, body) for number in range(first, min(first + GROUP, referrals)))
            store.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
        store.execute("COMMIT")
    seconds = time.monotonic() - start
    store.close()
    return seconds


def main():
    kith, workload, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    once = int(sys.argv[4])
    sizes = (once, 2 * once)
    extracts = {referrals: generated(workload, work, referrals) for referrals in sizes}
    runs = {referrals: [] for referrals in sizes}
    # In turns, so that a slow minute of the machine falls on both sizes and on the bare inserts beside them.
    for turn in range(BEST_OF):
        for referrals in sizes:
            seconds, peak = outward(kith, workload, work, extracts[referrals])
            runs[referrals].append((seconds, peak, floor(work, referrals)))
            print(f"turn {turn + 1}: {referrals:>9,} referrals {seconds:6.2f} s, peak {peak:4.0f} MB; bare inserts {runs[referrals][-1][2]:5.2f} s", flush=True)
    results = {}
    for referrals, measures in runs.items():
        seconds, bare, peak = min(m[0] for m in measures), min(m[2] for m in measures), max(m[1] for m in measures)
        results[referrals] = {"seconds": round(seconds, 2), "referrals_per_second": round(referrals / seconds), "peak_mb": round(peak),
                              "bare_inserts_seconds": round(bare, 2), "bare_referrals_per_second": round(referrals / bare)}
        print(f"{referrals:>9,} referrals: {seconds:6.2f} s, {referrals / seconds:8,.0f}/s, peak {peak:4.0f} MB;"
              f" bare inserts {bare:6.2f} s, {referrals / bare:8,.0f}/s")
    ratio = results[2 * once]["seconds"] / results[once]["seconds"]
    print(f"twice the referrals take {ratio:.2f} times the time; cores {os.cpu_count()}")
    print(json.dumps({"results": results, "ratio": round(ratio, 2), "best_of": BEST_OF}))
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
