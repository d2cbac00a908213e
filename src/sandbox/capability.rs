//! The `CapabilityStatement`, made from the tables that the server works by: it cannot claim what is not there.

use serde_json::{Value, json};

use super::dates;
use super::parameters::{PARAMETERS, ParameterKind};
use super::resources::ResourceStore;

pub(super) fn statement(store: &ResourceStore) -> Value {
    let interactions = [
        "read",
        "vread",
        "update",
        "delete",
        "history-instance",
        "create",
        "search-type",
    ]
    .map(|code| json!({"code": code}));
    let resources: Vec<Value> = store
        .types()
        .map(|resource_type| {
            let own = PARAMETERS.iter().filter(|(of, ..)| of == resource_type);
            let mut parameters = vec![
                json!({"name": "_id", "type": "token"}),
                json!({"name": "_lastUpdated", "type": "date"}),
                json!({"name": "identifier", "type": "token"}),
            ];
            let mut includes = Vec::new();
            for (_, name, kind, _) in own {
                let kind_name = match kind {
                    ParameterKind::Token => "token",
                    ParameterKind::Date => "date",
                    ParameterKind::Reference => "reference",
                };
                parameters.push(json!({"name": name, "type": kind_name}));
                if *kind == ParameterKind::Reference {
                    includes.push(json!(format!("{resource_type}:{name}")));
                }
            }
            let mut resource = json!({
                "type": resource_type, "interaction": interactions, "versioning": "versioned-update",
                "readHistory": true, "updateCreate": true, "conditionalCreate": true,
                "conditionalRead": "not-match", "conditionalUpdate": true, "conditionalDelete": "not-supported",
                "searchParam": parameters});
            if !includes.is_empty() {
                resource["searchInclude"] = Value::Array(includes);
            }
            resource
        })
        .collect();
    json!({
        "resourceType": "CapabilityStatement", "status": "active", "date": dates::instant((store.now)()),
        "kind": "instance", "fhirVersion": "4.0.1", "format": ["application/fhir+json", "json"],
        "software": {"name": "Kith sandbox GP system", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "Made-up people only; kept in memory", "url": store.base},
        "rest": [{"mode": "server", "resource": resources,
                  "interaction": [{"code": "transaction"}, {"code": "batch"}],
                  "operation": [{"name": "export",
                      "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"}]}]})
}
