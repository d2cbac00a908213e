//! Addresses of servers: HTTPS, or plain HTTP to this machine only.

use std::net::IpAddr;

use crate::diagnostics::Code;
use crate::toml_reader::{At, TableReader};

/// Reads the base address of a FHIR server, without a slash at its end.
pub(super) fn read_base_url(table: &TableReader<'_>, url: &At<&str>) -> String {
    // That a required one is absent has been noted.
    if !url.value.is_empty() {
        let rule = "an address such as https://fhir.example/r4, without user, query or fragment";
        check_address(
            table,
            "base_url",
            url,
            &['?', '#', '@'],
            rule,
            "patient data",
        );
    }
    url.value.trim_end_matches('/').to_owned()
}

/// Notes an address that is none of http or https, and one by which others could read what is sent.
pub(super) fn check_address(
    table: &TableReader<'_>,
    key: &str,
    url: &At<&str>,
    refused: &[char],
    rule: &str,
    sent: &str,
) {
    let https = url.value.strip_prefix("https://");
    let rest = https
        .or_else(|| url.value.strip_prefix("http://"))
        .unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    if !possible_port(authority) {
        table.bad_value(
            key,
            "an address whose port is a number from 1 to 65535",
            &url.place,
        );
    } else if authority.is_empty() || rest.contains(char::is_whitespace) || rest.contains(refused) {
        table.bad_value(key, rule, &url.place);
    } else if https.is_none() && !loopback(host_of(authority)) {
        let what = format!("plain http to another machine would send {sent} unencrypted");
        table
            .problems()
            .add(Code::InsecureAddress, what, &url.place);
    }
}

/// Whether what stands behind the host is a port, or nothing does.
fn possible_port(authority: &str) -> bool {
    let host = host_of(authority);
    let rest = authority.split_once(host).map_or("", |(_, rest)| rest);
    match rest.trim_start_matches(']') {
        "" => true,
        port => {
            let number = port
                .strip_prefix(':')
                .and_then(|port| port.parse::<u16>().ok());
            number.is_some_and(|number| number > 0)
        }
    }
}

/// The host of `host:port` or `[v6]:port`.
pub(super) fn host_of(authority: &str) -> &str {
    if let Some(bracketed) = authority.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

/// Whether a host is this machine.
pub(super) fn loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_that_exists() {
        for (authority, expected) in [
            ("gp.example", true),
            ("gp.example:443", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("gp.example:0", false),
            ("gp.example:65535", true),
            ("gp.example:65536", false),
            ("gp.example:", false),
            ("gp.example:fhir", false),
        ] {
            assert_eq!(possible_port(authority), expected, "{authority}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        let table = [
            ("127.0.0.1:8080", true),
            ("127.9.9.9", true),
            ("localhost:1", true),
            ("[::1]:8080", true),
            ("10.0.0.1", false),
            ("localhost.example", false),
            ("127.0.0.1.example:80", false),
        ];
        for (authority, expected) in table {
            assert_eq!(loopback(host_of(authority)), expected, "{authority}");
        }
    }
}
