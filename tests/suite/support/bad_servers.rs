//! GP systems that go wrong, in a Python process of the test's own, with certificates made on the spot.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::home::Home;
use super::process::{LIMIT, Process, finish};

/// Folder of certificates below home.
const FOLDER: &str = "certificates";
const AUTHORITY: &str = "[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=.\ndatabase=index.txt\nrand_serial=yes\nunique_subject=no\n\
                         default_md=sha256\npolicy=p\ncertificate=ca.pem\nprivate_key=ca.key\n[p]\ncommonName=supplied\n";
const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// The servers; ended when dropped.
pub(crate) struct BadServers {
    ports: BTreeMap<String, u16>,
    _process: Process,
}

impl BadServers {
    /// Makes the certificates below home and starts the servers.
    pub(crate) fn start(home: &Home) -> Self {
        let folder = home.below(FOLDER);
        home.write(&format!("{FOLDER}/ca.cnf"), AUTHORITY);
        home.write(&format!("{FOLDER}/index.txt"), "");
        openssl(
            &folder,
            &format!("req -x509 {KEY} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"),
        );
        let (here, long) = ("IP:127.0.0.1", ["20200101000000Z", "20400101000000Z"]);
        let past = ["20200101000000Z", "20200102000000Z"];
        for (name, host, [start, end]) in [
            ("good", here, long),
            ("expired", here, past),
            ("name", "DNS:elsewhere.example", long),
            ("client", "DNS:client.example", long),
        ] {
            home.write(
                &format!("{FOLDER}/{name}.ext"),
                format!("subjectAltName={host}\n"),
            );
            openssl(
                &folder,
                &format!("req -new {KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"),
            );
            let dates = format!("-startdate {start} -enddate {end}");
            openssl(
                &folder,
                &format!(
                    "ca -batch -notext -config ca.cnf -in {name}.csr -out {name}.pem {dates} -extfile {name}.ext"
                ),
            );
        }
        let mut command = Command::new("python3");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/support/bad_servers.py"))
            .arg(&folder)
            .stdin(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Process::start_telling(&mut command);
        Self {
            ports: serde_json::from_str(&process.line()).expect("the ports as JSON"),
            _process: process,
        }
    }

    /// The port of a server.
    pub(crate) fn port(&self, name: &str) -> u16 {
        self.ports[name]
    }

    /// A certificate or key file below home.
    pub(crate) fn file(name: &str) -> String {
        format!("{FOLDER}/{name}")
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder);
    let output = finish(&mut command, LIMIT);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
}
