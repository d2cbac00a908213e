"""The columns of partner `everyone`, but "Our ref", by DuckDB: duckdb_peer.py EXTRACTS OUTPUT THREADS.

Prints the seconds of the query alone, without starting Python and loading the library. Written as an analyst who knows the extracts would:
only the members that are needed are read, names and numbers are chosen by the simple rules that these extracts call for.
"""
import sys
import time

import duckdb

EXTRACTS, OUTPUT, THREADS = sys.argv[1:4]

CODING = "STRUCT(system VARCHAR, code VARCHAR)[]"
PATIENT = {
    "id": "VARCHAR",
    "identifier": "STRUCT(system VARCHAR, value VARCHAR)[]",
    "name": "STRUCT(use VARCHAR, family VARCHAR, given VARCHAR[])[]",
    "telecom": "STRUCT(system VARCHAR, use VARCHAR, value VARCHAR)[]",
    "gender": "VARCHAR",
    "birthDate": "DATE",
    "address": "STRUCT(postalCode VARCHAR)[]",
}
REQUEST = {
    "status": "VARCHAR",
    "intent": "VARCHAR",
    "doNotPerform": "BOOLEAN",
    "code": f"STRUCT(coding {CODING})",
    "orderDetail": f"STRUCT(coding {CODING}, text VARCHAR)[]",
    "subject": "STRUCT(reference VARCHAR, identifier STRUCT(system VARCHAR, value VARCHAR))",
    "authoredOn": "VARCHAR",
    "requester": "STRUCT(reference VARCHAR, display VARCHAR)",
    "reasonCode": "STRUCT(text VARCHAR)[]",
    "note": "STRUCT(text VARCHAR)[]",
}
PRACTITIONER = {"id": "VARCHAR", "name": "STRUCT(prefix VARCHAR[], given VARCHAR[], family VARCHAR)[]"}

QUERY = f"""
COPY (
  WITH patient AS MATERIALIZED (
    SELECT id,
           list_filter(identifier, lambda i: i.system = 'https://fhir.nhs.uk/Id/nhs-number')[1].value AS nhs,
           coalesce(list_filter(name, lambda n: n.use = 'usual' AND n.family IS NOT NULL)[1], list_filter(name, lambda n: n.use = 'official')[1]) AS name,
           list_filter(telecom, lambda t: t.system = 'phone' AND t.use = 'mobile')[1].value AS phone,
           gender, birthDate, address[1].postalCode AS postcode
    FROM read_ndjson('{EXTRACTS}/Patient.ndjson', columns = {PATIENT})
  ), request AS (
    SELECT coalesce(substr(subject.reference, 9), logical.id) AS patient, substr(requester.reference, 14) AS requester,
           authoredOn, reasonCode, orderDetail, note, activity.label AS label
    FROM read_ndjson('{EXTRACTS}/ServiceRequest.ndjson', columns = {REQUEST}) AS read
    LEFT JOIN (SELECT nhs, any_value(id) AS id FROM patient GROUP BY nhs HAVING count(*) = 1) AS logical
      ON read.subject.reference IS NULL AND logical.nhs = read.subject.identifier.value
    LEFT JOIN read_csv('{EXTRACTS}/activities.csv', header = true, names = ['code', 'label'], all_varchar = true) AS activity
      ON activity.code = read.orderDetail[1].coding[1].code
    WHERE status = 'active' AND intent = 'order' AND NOT coalesce(doNotPerform, false)
      AND list_contains(list_transform(read.code.coding, lambda c: c.code), '871731000000106')
  ), practitioner AS (
    SELECT id, array_to_string(list_concat(list_concat(name[1].prefix, name[1].given), [name[1].family]), ' ') AS name
    FROM read_ndjson('{EXTRACTS}/Practitioner.ndjson', columns = {PRACTITIONER})
  ), cells AS (
    SELECT p.nhs AS "NHS number", p.name.family AS "Surname", array_to_string(p.name.given, ' ') AS "First name",
           strftime(p.birthDate, '%d/%m/%Y') AS "Date of birth",
           CASE WHEN starts_with(p.phone, '+44') THEN '0' || substr(p.phone, 4, 4) || ' ' || substr(p.phone, 8) ELSE p.phone END AS "Phone",
           p.postcode AS "Postcode",
           CASE p.gender WHEN 'female' THEN 'F' WHEN 'male' THEN 'M' ELSE 'U' END AS "Sex",
           substr(authoredOn, 9, 2) || '/' || substr(authoredOn, 6, 2) || '/' || substr(authoredOn, 1, 4) AS "Date of referral",
           array_to_string(list_transform(reasonCode, lambda r: r.text), '; ') AS "Reason",
           practitioner.name AS "Referred by",
           coalesce(label, orderDetail[1].text) AS "Activity",
           array_to_string(list_transform(note, lambda n: n.text), chr(10)) AS "Notes"
    FROM request JOIN patient AS p ON p.id = request.patient
    LEFT JOIN practitioner ON practitioner.id = request.requester
  )
  SELECT * REPLACE (CASE WHEN regexp_matches("Notes", '^[=+@''-]') AND NOT regexp_matches("Notes", '^[+-]?[0-9 .]+$') THEN '''' || "Notes" ELSE "Notes" END AS "Notes")
  FROM cells
) TO '{OUTPUT}' (HEADER, DELIMITER ',')
"""

connection = duckdb.connect()
connection.execute(f"SET threads = {int(THREADS)}")
started = time.perf_counter()
connection.execute(QUERY)
print(f"{time.perf_counter() - started:.4f}")
