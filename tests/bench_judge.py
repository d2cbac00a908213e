#!/usr/bin/env python3
"""The measurements of bench_judge.sh: judging alone, judging through the store, and DuckDB's reader on the same files. Needs DuckDB."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import duckdb

import bench_in

JUDGING = "pipeline::matching::made::speed::each_row_of_a_large_return_is_taken_in"


def duckdb_seconds(path, delimiter, threads):
    """Seconds in which DuckDB reads a file into a table of text, and its rows."""
    database = duckdb.connect(config={"threads": threads})
    reader = f"read_csv('{path}', delim = '{delimiter}', quote = '\"', escape = '\"', header = true, all_varchar = true)"
    start = time.monotonic()
    database.execute(f"CREATE TABLE sheet AS SELECT * FROM {reader}")
    seconds = time.monotonic() - start
    (rows,), = database.execute("SELECT count(*) FROM sheet").fetchall()
    database.close()
    return seconds, rows


def beside(path, delimiter, rows, turns, threads):
    """DuckDB's best of so many turns."""
    best = None
    for _ in range(turns):
        seconds, read = duckdb_seconds(path, delimiter, threads)
        if read != rows:
            sys.exit(f"bench_judge: DuckDB read {read} rows of {path}, not {rows}")
        best = seconds if best is None else min(best, seconds)
    return best


def judging(tests, work, rows, turns):
    """Each style of return: judged by us on one core, read by DuckDB on one."""
    core = {min(os.sched_getaffinity(0))}
    settings = {"KITH_BENCH_JUDGE": str(work), "KITH_BENCH_ROWS": str(rows), "KITH_BENCH_TURNS": str(turns)}
    subprocess.run([tests, "--exact", JUDGING], check=True, stdout=subprocess.DEVNULL, env=os.environ | settings,
                   preexec_fn=lambda: os.sched_setaffinity(0, core))
    for measure in json.loads((work / "judged.json").read_text()):
        path = work / measure["file"]
        if not measure["utf_8"]:
            # DuckDB reads UTF-8 alone without an extension: it gets the same text in that.
            text = path.read_bytes().decode("cp1252")
            path = path.with_suffix(".utf-8.csv")
            path.write_bytes(text.encode())
        yield {"what": f"judging, {measure['file']}", "rows": measure["rows"], "seconds": min(measure["seconds"]), "bytes": measure["bytes"],
               "duckdb_seconds": beside(path, measure["delimiter"], measure["rows"], turns, 1)}


def durable(kith, workload, work, rows, turns):
    """A full return of one partner, collected and matched through the store; read by DuckDB on as many cores."""
    extracts = work / "extracts"
    bench_in.extracts_for_one(workload, extracts)
    home = bench_in.delivered(str(kith), workload, work / "one", extracts, alone=True)
    (folder, layout, header, delivered), = bench_in.drops(home)
    delivered = delivered[:rows]
    path = work / "return.csv"
    bench_in.write_return(path, layout, header, delivered)
    inbox = folder.relative_to(home) / "in"

    def put(turn):
        (turn / inbox).mkdir(exist_ok=True)
        shutil.copy(path, turn / inbox / "returns.csv")

    measures = [bench_in.timed(str(kith), home, put, (len(delivered), 0)) for _ in range(turns)]
    cores = len(os.sched_getaffinity(0))
    return {"what": f"collect and match, {cores} cores", "rows": len(delivered), "seconds": min(m[0] for m in measures), "bytes": path.stat().st_size,
            "processor_us_a_row": round(min(m[1] for m in measures) / len(delivered) * 1e6, 1), "peak_mb": round(max(m[2] for m in measures)),
            "duckdb_seconds": beside(path, layout[0], len(delivered), turns, cores)}


def main():
    tests, kith, workload, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:5])
    rows, turns = map(int, sys.argv[5:7])
    bench_in.fresh(work)
    results = [*judging(tests, work, rows, turns), durable(kith, workload, work, rows, turns)]
    for result in results:
        result["rows_per_second"] = round(result["rows"] / result["seconds"])
        result["duckdb_rows_per_second"] = round(result["rows"] / result["duckdb_seconds"])
        peak = f", peak {result['peak_mb']} MB, processor {result['processor_us_a_row']} µs a row" if "peak_mb" in result else ""
        print(f"{result['what']}: {result['rows']:,} rows, {result['bytes'] / 1e6:.1f} MB, {result['seconds']:.3f} s, {result['rows_per_second']:,}/s{peak}; "
              f"DuckDB reads it in {result['duckdb_seconds']:.3f} s, {result['duckdb_rows_per_second']:,}/s")
    print(json.dumps({"results": results, "best_of": turns}))
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
