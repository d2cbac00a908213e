//! A config that tests begin with: one transport, one commissioner, and practices as they need them.

/// All but the sources.
pub(crate) const INSTALLATION: &str = r#"namespace = "https://kith.example"
[store]
url = "sqlite://var/kith.db"
[seal]
key = { file = "var/seal.key" }
[[transport]]
id = "local"
kind = "folder"
path = "var/partners/{partner}"
[[commissioner]]
id = "icb"
name = "Made-up ICB"
report = { transport = "local" }
"#;

/// A practice that is pulled so and written nothing to; further keys of it may come behind.
pub(crate) fn practice(id: &str, pull: &str) -> String {
    format!(
        "[[source]]\nid = \"{id}\"\nname = \"Made-up practice\"\nods_code = \"ZZ001\"\ncommissioner = \"icb\"\n\
         pull = {{ {pull} }}\npush = {{ kind = \"off\" }}\n"
    )
}
