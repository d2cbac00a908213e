"""The columns of partner `everyone`, but "Our ref", by Python with orjson: orjson_peer.py EXTRACTS OUTPUT [lean]. Prints its seconds.

As one would write it first, with a dictionary of the patients as they were read, each put into cells where a referral names it. `lean` keeps
of each patient nothing but the cells: what somebody would come to who looked for where the time goes.
"""
import csv
import re
import sys
import time

import orjson

EXTRACTS, OUTPUT = sys.argv[1:3]
LEAN = sys.argv[3:] == ["lean"]
HEADER = ["NHS number", "Surname", "First name", "Date of birth", "Phone", "Postcode", "Sex", "Date of referral", "Reason", "Referred by", "Activity", "Notes"]
SEX = {"female": "F", "male": "M"}
RUNS = re.compile(r"[=+@'-]")
NUMBER = re.compile(r"[+-]?[0-9 .]+$")


def lines(name):
    with open(f"{EXTRACTS}/{name}.ndjson", "rb") as file:
        for line in file:
            yield orjson.loads(line)


def day(text):
    return f"{text[8:10]}/{text[5:7]}/{text[:4]}" if text else ""


def phone(number):
    return f"0{number[3:7]} {number[7:]}" if number.startswith("+44") else number


def cell(text):
    return "'" + text if RUNS.match(text) and not NUMBER.match(text) else text


def number(p):
    return next((i["value"] for i in p["identifier"] if i["system"] == "https://fhir.nhs.uk/Id/nhs-number"), "")


def person_cells(p):
    name = next((n for n in p["name"] if n["use"] == "usual" and "family" in n), None) or next(n for n in p["name"] if n["use"] == "official")
    mobile = next((t["value"] for t in p["telecom"] if t["system"] == "phone" and t.get("use") == "mobile"), "")
    address = p["address"][0].get("postalCode", "")
    return [number(p), name["family"], " ".join(name["given"]), day(p["birthDate"]), phone(mobile), address, SEX.get(p["gender"], "U")]


def main():
    with open(f"{EXTRACTS}/activities.csv", newline="") as file:
        activities = dict(list(csv.reader(file))[1:])
    doctors = {p["id"]: " ".join(p["name"][0]["prefix"] + p["name"][0]["given"] + [p["name"][0]["family"]]) for p in lines("Practitioner")}
    people, numbers = {}, {}
    for p in lines("Patient"):
        nhs, person = number(p), person_cells(p) if LEAN else p
        people[p["id"]] = person
        # A number that two people have names neither.
        numbers[nhs] = None if nhs in numbers else person
    with open(OUTPUT, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(HEADER)
        for s in lines("ServiceRequest"):
            if s["status"] != "active" or s["intent"] != "order" or s.get("doNotPerform"):
                continue
            if not any(c["code"] == "871731000000106" for c in s["code"]["coding"]):
                continue
            subject = s["subject"]
            person = people.get(subject["reference"][8:]) if "reference" in subject else numbers.get(subject["identifier"]["value"])
            if person is None:
                continue
            detail = s.get("orderDetail", [{}])[0]
            activity = activities.get(detail["coding"][0]["code"], detail["text"]) if detail else ""
            notes = "\n".join(n["text"] for n in s.get("note", []))
            reasons = "; ".join(r["text"] for r in s["reasonCode"])
            cells = person if LEAN else person_cells(person)
            out.writerow(cells + [day(s["authoredOn"]), reasons, doctors.get(s["requester"]["reference"][13:], ""), activity, cell(notes)])


started = time.perf_counter()
main()
print(f"{time.perf_counter() - started:.4f}")
