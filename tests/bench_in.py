#!/usr/bin/env python3
"""The measurements of bench_in.sh: what partners send back, collected and matched. Standard library only.

    bench_in.py WORKLOAD WORK REFERRALS TURNS PROGRAM [PROGRAM …]

Each program fills a home of its own: REFERRALS made-up referrals delivered to 30 partners, and as many as one return holds
(50,000) to one partner. Returns are made of the drops, with answers filled in. The programs take turns, each on a copy of
its home: one run of collect and match over the returns of all 30, one over the return of the one partner, and one over that
return with its column of references sorted by itself. A run that does not do to every row what it should ends the bench.
"""
import csv
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

DELIVERED_AT, RETURNED_AT, SEEN_ON = "2026-11-23T06:00:00Z", "2026-11-30T06:00:00Z", "25/11/2026"
RETURN_ROWS_MAX = 50_000
# Of 20 made-up referrals one at most does not reach its partner.
SENT_SHARE = 0.94
ALONE = "arts-1"
PERFORMER = re.compile(r'("system":"https://kith.example/Id/partner","value":)"[a-z-]+-[123]"')
# By the last letter of a partner's name, as install.py lays them out: how the drop is written, and the column of references.
LAYOUTS = {"1": (",", "utf-8-sig", "Our ref"), "2": (";", "cp1252", "REF"), "3": ("\t", "utf-8", "Reference")}
ANSWERS = ["Date seen", "Attended?", "When", "LS", "WW", "HY", "AN", "Outcome", "Why"]


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run_python(script, *arguments):
    subprocess.run([sys.executable, script, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def extracts_for_one(workload, folder):
    """Referrals enough for one full return, every one of them for the same partner."""
    run_python(workload / "generate.py", "--out", folder, "--referrals", int(RETURN_ROWS_MAX / SENT_SHARE))
    path = folder / "ServiceRequest.ndjson"
    path.write_text(PERFORMER.sub(rf'\1"{ALONE}"', path.read_text()))


def delivered(kith, workload, home, extracts, alone):
    """A home whose referrals have been delivered by this program."""
    fresh(home)
    run_python(workload / "install.py", "--dir", home, "--extracts", extracts)
    if alone:
        for path in (home / "mappings/partners").glob("*.toml"):
            if path.stem != ALONE:
                path.unlink()
        path = home / f"mappings/partners/{ALONE}.toml"
        path.write_text(re.sub(r"activities = .*\n", "", path.read_text()))
    measured(kith, home, DELIVERED_AT, ["pull", "select", "map", "deliver"])
    return home


def drops(home):
    """Of each partner the rows that were delivered to it: header and rows."""
    for folder in sorted((home / "var/partners").iterdir()):
        delimiter, encoding, reference = LAYOUTS[folder.name[-1]]
        header, rows = None, []
        for path in sorted((folder / "out").glob("*.csv")):
            with open(path, encoding=encoding, newline="") as file:
                header, *more = csv.reader(file, delimiter=delimiter)
            # Behind what was delivered stand the empty columns for the answers.
            header = [name for name in header if name not in ANSWERS]
            rows += [row[: len(header)] for row in more]
        if rows:
            yield folder, (delimiter, encoding, reference), header, rows


def answer(number):
    """What a partner fills in: everybody came, every fourth answered the questions, every tenth is done."""
    scores = ["Start", 7, 6, 8, 2] if number % 4 == 0 else [""] * 5
    return [SEEN_ON, "Y", *scores, "Finished" if number % 10 == 0 else "", ""]


def write_return(path, layout, header, rows, sort=False):
    """A return of these rows; with `sort` the references stand in another order than the rows they belong to."""
    delimiter, encoding, reference = layout
    place = header.index(reference)
    references = [row[place] for row in rows]
    if sort:
        references.sort()
    with open(path, "w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header + ANSWERS)
        for number, (row, own) in enumerate(zip(rows, references)):
            writer.writerow([*row[:place], own, *row[place + 1 :], *answer(number)])


@functools.cache
def knows_now(kith):
    """Whether a program waits for returns to stand still unless it is told to take them as they are."""
    told = subprocess.run([kith, "run", "--help"], check=True, stdout=subprocess.PIPE, text=True)
    return "--now" in told.stdout


def measured(kith, home, instant, stages):
    """Runs stages on a home: wall seconds, processor seconds (user and system), peak memory in MB, and what the run says."""
    told = home / "told.json"
    now = ["--now"] if "collect" in stages and knows_now(str(kith)) else []
    command = [str(kith), "run", "--once", *now, *stages, "--as-of", instant, "--json", "--config", str(home / "config/kith.toml")]
    # Measured by a small process of its own: a child's peak memory begins with that of the process which starts it.
    small = subprocess.run([sys.executable, __file__, "--measure", str(told), *command], check=True, stdout=subprocess.PIPE)
    code, seconds, processor, peak = json.loads(small.stdout)
    if code not in (0, 1):  # 1: rows are held, as they should be
        sys.exit(f"bench: {' '.join(command)} ended with {code}")
    return seconds, processor, peak, json.loads(told.read_text())


def measure(told, *command):
    """Prints the exit code, seconds, processor seconds and peak memory of a command; what it prints itself goes into a file."""
    start = time.monotonic()
    actions = [(os.POSIX_SPAWN_OPEN, 1, told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - start
    print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))


def matched(told):
    """Rows that were matched: accepted, held."""
    books = [book for book in told["books"] if book["stage"] == "match"]
    return tuple(sum(book[how] for book in books) for how in ("accepted", "held"))


def timed(kith, home, put, wanted):
    """Collect and match on a copy of a home into which `put` has put returns."""
    turn = home.with_name(home.name + "-turn")
    shutil.rmtree(turn, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", home, turn], check=True)
    put(turn)
    seconds, processor, peak, told = measured(kith, turn, RETURNED_AT, ["collect", "match"])
    if matched(told) != wanted:
        sys.exit(f"bench: {kith} matched {matched(told)} rows, not {wanted} (accepted, held)")
    shutil.rmtree(turn)
    return seconds, processor, peak


class Program:
    """A program with its homes, and the returns that belong to them."""

    def __init__(self, kith, place, workload, work, extracts, extracts_one):
        self.kith, self.name = kith, f"{place}: {kith}"
        self.all = delivered(kith, workload, work / f"all-{place}", extracts, alone=False)
        self.rows = 0
        for folder, layout, header, rows in drops(self.all):
            (folder / "in").mkdir(exist_ok=True)
            for first in range(0, len(rows), RETURN_ROWS_MAX):
                part = rows[first : first + RETURN_ROWS_MAX]
                write_return(folder / "in" / f"returns {first}.csv", layout, header, part)
            self.rows += len(rows)
        self.one = delivered(kith, workload, work / f"one-{place}", extracts_one, alone=True)
        (folder, layout, header, rows), = drops(self.one)
        rows = rows[:RETURN_ROWS_MAX]
        self.inbox, self.one_rows = folder.relative_to(self.one) / "in", len(rows)
        self.one_return, self.sorted_return = self.one / "plain.csv", self.one / "sorted.csv"
        write_return(self.one_return, layout, header, rows)
        write_return(self.sorted_return, layout, header, rows, sort=True)

    def turn(self):
        """One measurement of each kind: kind, rows, seconds, processor seconds, peak."""
        def putting(path):
            def put(home):
                (home / self.inbox).mkdir(exist_ok=True)
                shutil.copy(path, home / self.inbox / "returns.csv")
            return put

        yield "30 partners", self.rows, *timed(self.kith, self.all, lambda home: None, (self.rows, 0))
        yield "one return", self.one_rows, *timed(self.kith, self.one, putting(self.one_return), (self.one_rows, 0))
        yield "one return, sorted", self.one_rows, *timed(self.kith, self.one, putting(self.sorted_return), (0, self.one_rows))


def main():
    workload, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    referrals, turns = map(int, sys.argv[3:5])
    fresh(work)
    extracts, extracts_one = work / "extracts", work / "extracts-one"
    run_python(workload / "generate.py", "--out", extracts, "--referrals", referrals)
    extracts_for_one(workload, extracts_one)
    paths = [pathlib.Path(argument).resolve() for argument in sys.argv[5:]]
    programs = [Program(path, place, workload, work, extracts, extracts_one) for place, path in enumerate(paths, 1)]
    results = {}
    for turn in range(turns):
        for program in programs:
            for kind, rows, seconds, processor, peak in program.turn():
                results.setdefault((program.name, kind), []).append((rows, seconds, processor, peak))
                print(f"turn {turn + 1}: {program.name}: {kind}: {rows:,} rows {seconds:.2f} s, processor {processor:.2f} s, peak {peak:.0f} MB", flush=True)
    told = []
    for (name, kind), measures in results.items():
        rows, seconds, processor = measures[0][0], min(m[1] for m in measures), min(m[2] for m in measures)
        peak = max(m[3] for m in measures)
        told.append({"program": name, "kind": kind, "rows": rows, "seconds": round(seconds, 2), "rows_per_second": round(rows / seconds),
                     "processor_us_a_row": round(processor / rows * 1e6, 1), "peak_mb": round(peak)})
        print(f"{name}: {kind}: {rows:,} rows, {seconds:.2f} s, {rows / seconds:,.0f}/s, processor {processor / rows * 1e6:.1f} µs a row, peak {peak:.0f} MB")
    print(json.dumps({"results": told, "best_of": turns, "cores": os.cpu_count()}))
    shutil.rmtree(work)


if __name__ == "__main__":
    measure(*sys.argv[2:]) if sys.argv[1] == "--measure" else main()
