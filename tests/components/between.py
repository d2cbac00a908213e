"""What stands between Kith and a server in some tests: mitmproxy's addon that loses answers and keeps what was written.

    mitmdump --mode reverse:http://127.0.0.1:PORT -s between.py --set lose=15 --set draw=7 --set keep=FOLDER

lose  of a hundred answers of the server so many are lost: it did its work and the caller never hears of it
draw  seed; the same request met for the n-th time has the same fate in every run of the same seed
keep  a folder: in writes/ the body of every create, update and transaction; in log one line for each request
"""
import hashlib
import pathlib

from mitmproxy import ctx, http

SEARCHES = "application/x-www-form-urlencoded"
# What the tests themselves ask is let through.
OF_THE_TESTS = "x-of-the-tests"


class Between:
    def __init__(self):
        self.met = {}
        self.written = 0

    def load(self, loader):
        loader.add_option("lose", int, 0, "answers lost of a hundred")
        loader.add_option("draw", int, 0, "seed of what is lost")
        loader.add_option("keep", str, "", "folder for what was written")

    def request(self, flow: http.HTTPFlow):
        if not ctx.options.keep or OF_THE_TESTS in flow.request.headers:
            return
        keep = pathlib.Path(ctx.options.keep)
        with open(keep / "log", "a", encoding="utf-8") as log:
            log.write(f"{flow.request.method} {flow.request.path.partition('?')[0]}\n")
        kind = flow.request.headers.get("content-type", "")
        if flow.request.method in ("POST", "PUT") and not kind.startswith(SEARCHES):
            self.written += 1
            (keep / "writes" / f"{self.written:06}.json").write_bytes(flow.request.content or b"")

    def response(self, flow: http.HTTPFlow):
        said = flow.request
        if OF_THE_TESTS in said.headers:
            return
        what = b"\0".join([said.method.encode(), said.path.encode(), said.content or b"",
                           said.headers.get("if-none-exist", "").encode()])
        key = hashlib.sha256(b"%d\0%b" % (ctx.options.draw, what)).digest()
        times = self.met[key] = self.met.get(key, 0) + 1
        drawn = hashlib.sha256(b"%b%d" % (key, times)).digest()
        if int.from_bytes(drawn[:4], "big") % 100 < ctx.options.lose:
            flow.kill()


addons = [Between()]
