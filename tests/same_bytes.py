#!/usr/bin/env python3
"""Holds a build of Kith against an older one: what both make must be the same bytes.

    python3 tests/same_bytes.py OLD NEW     two binaries; needs ../shared/workload for the last part

Compares
  1. the folder of the demo, file by file, and every table of its store, value by value;
  2. every page that `kith explain` prints of the manual, the fields and the schemas;
  3. a store of 1,000 referrals and their returns that OLD filled: NEW proves it clean, explains each of its legs as OLD
     does, and finds nothing to do in it.
Where the schema of the store is another one, rows of tables cannot be compared, and NEW cannot read what OLD filled: the
tables and the third part are passed over, and the seal of the day, which covers the store's sealed forms, is masked in
the report. Each is said.
Prints one line a part, lists every difference, and exits 1 if there is one. The port of the demo's GP system differs
from run to run and is not compared. Standard library only.
"""
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKLOAD = ROOT.parent / "shared" / "workload"
PORT = re.compile(rb"127\.0\.0\.1:\d+")
SEAL = re.compile(rb"\b[0-9a-f]{64}\b|\b[0-9a-f]{4}( [0-9a-f]{4}){3,}\b")
SCHEMAS = ["run", "status", "prove", "report", "partner"]
# Without their numbers at the end: times at which sqlx ran a migration, which no clock of ours sets.
TABLES_LEFT_OUT = {"_sqlx_migrations"}
SECONDS_MAX = 300


def run(*arguments, cwd=None, codes=(0, 1)):
    """Standard output of a program that must end with one of these codes."""
    ended = subprocess.run(
        [str(one) for one in arguments], cwd=cwd, capture_output=True, timeout=SECONDS_MAX, stdin=subprocess.DEVNULL
    )
    if ended.returncode not in codes:
        sys.exit(f"exit {ended.returncode}: {arguments}\n{ended.stderr.decode(errors='replace')}")
    return ended.stdout


def files(folder):
    """Bytes of each file below a folder by its path there; stores aside, ports masked."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("kith.db"):
            found[str(path.relative_to(folder))] = PORT.sub(b"127.0.0.1:0", path.read_bytes())
    return found


def tables(store):
    """Rows of each table of a store, in the order of their columns."""
    base = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    names = [row[0] for row in base.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    found = {}
    for name in names:
        if name not in TABLES_LEFT_OUT and not name.startswith("sqlite_"):
            found[name] = sorted(base.execute(f'SELECT * FROM "{name}"'), key=repr)
    base.close()
    return found


def differences(kind, old, new):
    """One line for each key whose values differ."""
    return [f"{kind} {key}" for key in sorted(set(old) | set(new)) if old.get(key) != new.get(key)]


def schema(store):
    """What the tables of a store are made of."""
    base = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    made = sorted(row[0] for row in base.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))
    base.close()
    return made


def masked(found):
    """Files of which those of reports have no seal of the day."""
    return {name: SEAL.sub(b"seal", held) if name.startswith("report") or "/reports/" in name else held for name, held in found.items()}


def demo(old, new, temporary):
    told = []
    for name, binary in (("old", old), ("new", new)):
        told.append(PORT.sub(b"127.0.0.1:0", run(binary, "demo", "--dir", temporary / name)).replace(b"/" + name.encode(), b"/demo"))
    found = [] if told[0] == told[1] else ["what the demo prints"]
    made = [files(temporary / name) for name in ("old", "new")]
    if schema(temporary / "old/var/kith.db") != schema(temporary / "new/var/kith.db"):
        found += differences("file", *map(masked, made))
        return found, f"{len(made[0])} files; the schema is another: tables not compared, seals of the day masked"
    found += differences("file", *made)
    both = [tables(temporary / name / "var/kith.db") for name in ("old", "new")]
    found += differences("table", *both)
    return found, f"{len(made[0])} files, {sum(map(len, both[0].values()))} rows of {len(both[0])} tables"


def manual(old, new):
    pages = [["explain", "all"], ["explain", "fields"]] + [["explain", "schema", name] for name in SCHEMAS]
    found = [" ".join(page) for page in pages if run(old, *page) != run(new, *page)]
    return found, f"{len(pages)} pages"


def thousand(old, new, temporary):
    if schema(temporary / "old/var/kith.db") != schema(temporary / "new/var/kith.db"):
        return [], "skipped: the schema is another, NEW cannot read what OLD filled"
    extracts, home = temporary / "extracts", temporary / "home"
    python = sys.executable
    run(python, WORKLOAD / "generate.py", "--out", extracts, "--referrals", 1000, "--practices", 5, "--seed", 1, "--start", "2026-08-03")
    run(python, WORKLOAD / "install.py", "--dir", home, "--extracts", extracts, "--returns", "full", "--without", "concern")
    run(old, "run", "--once", "--as-of", "2026-08-24T06:00:00Z", cwd=home)
    for week, instant in ((1, "2026-08-31T09:00:00Z"), (2, "2026-09-07T09:00:00Z")):
        run(python, WORKLOAD / "returns.py", "--home", home, "--seed", 1, "--week", week, "--mistakes", "0.06")
        run(old, "run", "--once", "--as-of", instant, cwd=home)
    later = "2026-09-07T10:00:00Z"
    found = []
    proof = json.loads(run(new, "prove", "--json", "--as-of", later, cwd=home))
    found += [f"finding {finding['code']}: {finding['what']} ({finding['where']})" for finding in proof["findings"]]
    ask = ["why", "--all", "--json", "--as-of", later]
    explained = [run(binary, *ask, cwd=home).splitlines() for binary in (old, new)]
    found += [f"explanation {n}" for n, (a, b) in enumerate(zip(*explained), 1) if a != b]
    if len(explained[0]) != len(explained[1]):
        found.append("number of explanations")
    before = files(home / "var/partners")
    again = json.loads(run(new, "run", "--once", "--json", "--as-of", later, cwd=home))
    moved = [book for book in again["books"] if book["accepted"]]
    found += [f"accepted again: {book['stage']}" for book in moved]
    found += differences("file", before, files(home / "var/partners"))
    return found, f"{proof['checked']['legs']} legs, {proof['checked'].get('events', 0)} events, {len(explained[0])} explanations"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    old, new = (Path(one).resolve() for one in sys.argv[1:])
    parts = [("demo", demo), ("manual", lambda a, b, _: manual(a, b))]
    if WORKLOAD.is_dir():
        parts.append(("1,000 referrals", thousand))
    else:
        print("1 skipped: ../shared absent")
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name, part in parts:
            found, size = part(old, new, Path(temporary))
            print(f"{name}: {size}; {len(found)} differences")
            for one in found[:50]:
                print(f"  {one}")
            wrong += len(found)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
