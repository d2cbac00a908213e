"""kith map, DuckDB and Python with orjson on the same extracts, in turns; called by tests/bench_map.sh."""
import csv
import os
import shutil
import subprocess
import sys
import time

KITH, WORKLOAD, FOLDER, ACTIVITIES = sys.argv[1:5]
REFERRALS, LARGE = int(sys.argv[5]), int(sys.argv[6])
TURNS, THREADS = 5, 2
HERE = os.path.dirname(os.path.abspath(__file__))
MORE = 1_000_000


def generate(referrals):
    extracts = os.path.join(FOLDER, f"extracts-{referrals}")
    subprocess.run([sys.executable, f"{WORKLOAD}/generate.py", "--out", extracts, "--referrals", str(referrals)], check=True, stdout=subprocess.DEVNULL)
    shutil.copy(ACTIVITIES, extracts + "/activities.csv")
    return extracts


def timed(command, fine=(0,)):
    """Seconds of the whole process, its processor seconds, its peak memory in MB, and what it printed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) not in fine:
        sys.exit(f"bench: {' '.join(command)} ended with {status}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed


def kith(extracts, output):
    whole, processor, memory, _ = timed([KITH, "map", "--config", f"{FOLDER}/home/config/kith.toml", "--partner", "everyone", "--input", extracts, "--output", output], fine=(0, 1))
    return whole, processor, memory, whole


def peer(name, *arguments):
    """A peer's own seconds count, without the start of Python and its libraries; those of its whole process are shown beside."""
    whole, processor, memory, printed = timed([sys.executable, f"{HERE}/{name}_peer.py", *arguments])
    return float(printed), processor, memory, whole


def rows(path, left_out=0):
    """Cells in any order; DuckDB does not keep that of the input. Its trim() knows only spaces, so spaces at the ends do not count."""
    csv.field_size_limit(MORE)
    with open(path, encoding="utf-8-sig", newline="") as file:
        return sorted(tuple(cell.strip() for cell in row[left_out:]) for row in csv.reader(file))


def compare(ours, theirs, whose):
    if ours != theirs:
        differing = len(set(ours) ^ set(theirs))
        sys.exit(f"bench: the cells are not {whose}'s: {differing} rows differ")
    print(f"all {len(ours) - 1:,} rows are {whose}'s, cell by cell")


def show(name, results, base=None):
    seconds, processor, memory, whole = (min(r[0] for r in results), min(r[1] for r in results), max(r[2] for r in results), min(r[3] for r in results))
    ratio = "" if base is None else f"  kith takes {base / seconds:.2f} of it; {base / whole:.2f} of the whole process, {whole:.3f} s"
    print(f"{name:8} {seconds:7.3f} s  {processor:7.3f} s processor  {memory:6.0f} MB{ratio}")
    return seconds


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    extracts = generate(REFERRALS)
    subprocess.run([sys.executable, f"{WORKLOAD}/install.py", "--dir", f"{FOLDER}/home", "--extracts", extracts], check=True, stdout=subprocess.DEVNULL)
    bytes_ = sum(entry.stat().st_size for entry in os.scandir(extracts))
    out = {name: f"{FOLDER}/{name}.csv" for name in ("kith", "duckdb", "orjson", "lean")}
    results = {name: [] for name in out}
    for _ in range(TURNS):
        results["kith"].append(kith(extracts, out["kith"]))
        results["duckdb"].append(peer("duckdb", extracts, out["duckdb"], str(THREADS)))
        if len(results["orjson"]) < 2:
            results["orjson"].append(peer("orjson", extracts, out["orjson"]))
            results["lean"].append(peer("orjson", extracts, out["lean"], "lean"))
    print(f"{REFERRALS:,} referrals, {bytes_ / 1e6:.0f} MB, best of {TURNS} turns (orjson, which keeps patients as read, and lean, which keeps cells: of 2)")
    ours = show("kith", results["kith"])
    for name in ("duckdb", "orjson", "lean"):
        show(name, results[name], ours)
    for referrals in (REFERRALS // 10, LARGE):
        if referrals == 0:
            continue
        extracts = generate(referrals)
        results = [kith(extracts, f"{FOLDER}/kith-{referrals}.csv") for _ in range(3)]
        seconds = show(f"{referrals:,}", results)
        print(f"         {seconds / referrals * 1e6:.2f} µs a referral, {ours / REFERRALS * 1e6:.2f} at {REFERRALS:,}")
        shutil.rmtree(extracts)
    # Last, for a process that is started counts the memory of the one that starts it.
    mapped = rows(out["kith"], 1)
    compare(mapped, rows(out["duckdb"]), "DuckDB")
    compare(mapped, rows(out["orjson"]), "Python")
    compare(mapped, rows(out["lean"]), "lean Python")


main()
