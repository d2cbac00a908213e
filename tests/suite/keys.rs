//! Keys of the config whose effect is seen from the outside alone: what a run does by them.

use std::process::{Command, Stdio};
use std::time::Instant;

use super::support::home::Ran;
use super::support::partner_file::PartnerFile;
use super::support::people::referral;
use super::support::process::{LIMIT, Process, finish};
use super::support::source::Source;
use super::support::world::{World, came};

/// A world with a limit, in which a partner has a column of this expression; what a run of it says.
fn run_with(limit: &str, expression: &str) -> (World, Ran) {
    let column = format!("fhirpath = \"{expression}\"\nshare = \"patient.name\"");
    let shared = ["patient.name", "patient.phone", "referral.activity"];
    let elm = PartnerFile::of("elm").shares(&shared);
    let mut world = World::of_folder(&[elm.column_of("Further", &column)]);
    limits(&world, limit);
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    let ran = world.home.kith(&["run", "--once"]);
    (world, ran)
}

fn limits(world: &World, limit: &str) {
    let section = format!("[limits]\n{limit}\n[seal]");
    world.home.edit("config/kith.toml", "[seal]", &section);
}

#[test]
fn what_an_expression_may_be_and_take_is_what_the_limits_of_the_config_say() {
    let single = "%patient.name.family.single()";
    // Longer than any that comes with the program.
    let long = format!("{single}.replace('{}', '')", "x".repeat(454));
    assert_eq!(long.len(), 499);
    let pattern = "%patient.name.family.matches('^B[a-z]{1,200}$')";
    for (expression, within, beyond) in [
        (
            long.as_str(),
            "expression_characters_max = 499",
            "expression_characters_max = 498",
        ),
        (
            pattern,
            "pattern_bytes_max = 1000000",
            "pattern_bytes_max = 100",
        ),
        (
            single,
            "expression_steps_max = 1000",
            "expression_steps_max = 1",
        ),
    ] {
        let (world, ran) = run_with(within, expression);
        assert_eq!(ran.code, 0, "{within}: {}", ran.stderr);
        assert_eq!(world.rows().len(), 1, "{within}");
        let (world, ran) = run_with(beyond, expression);
        assert!(ran.code > 0, "{beyond}");
        assert!(world.rows().is_empty(), "{beyond}");
        let key = beyond.split(' ').next().unwrap();
        if key == "expression_steps_max" {
            // Known when the record is there: that row is held.
            assert_eq!(world.held("expression-failed").len(), 1);
        } else {
            assert!(
                ran.stderr.contains(&format!("[limits] {key}")),
                "{}",
                ran.stderr
            );
        }
    }
}

/// Makes each new row of the ledger take without end, or no longer.
fn ledger_is_slow(world: &World, slow: bool) {
    let script = if slow {
        "import sqlite3, sys\n\
         db = sqlite3.connect(sys.argv[1])\n\
         db.execute('CREATE TABLE many (n)')\n\
         db.executemany('INSERT INTO many VALUES (?)', [(n,) for n in range(1000)])\n\
         db.execute('CREATE TRIGGER slow AFTER INSERT ON ledger BEGIN '\n\
                    'SELECT count(*) FROM many a, many b, many c, many d, many e; END')\n\
         db.commit()\n"
    } else {
        "import sqlite3, sys\n\
         db = sqlite3.connect(sys.argv[1])\n\
         db.execute('DROP TRIGGER slow')\n\
         db.execute('DROP TABLE many')\n\
         db.commit()\n"
    };
    let store = world.home.below("var/kith.db");
    let mut python = Command::new("python3");
    let done = finish(python.args(["-c", script]).arg(store), LIMIT);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn a_statement_that_does_not_end_is_stopped_after_the_seconds_that_the_config_says() {
    let mut world = World::of_folder(&[PartnerFile::of("elm")]);
    limits(&world, "statement_seconds_max = 1");
    world.gp_refers(&referral(1, "Anna", "Beech", "elm"));
    world.kith(&["run", "--once"], 0);
    world.gp_refers(&referral(2, "Ben", "Cedar", "elm"));
    ledger_is_slow(&world, true);
    let begun = Instant::now();
    let ran = world.kith(&["run", "--once"], 2);
    assert!(
        ran.stderr.contains("[limits] statement_seconds_max"),
        "{}",
        ran.stderr
    );
    // The usual time is a minute.
    let seconds = begun.elapsed().as_secs();
    assert!((1..45).contains(&seconds), "{seconds}");
    // Nothing of it was written, and the next run does it.
    ledger_is_slow(&world, false);
    world.kith(&["run", "--once"], 0);
    assert_eq!(world.rows().len(), 2);
    world.proves();
}

/// A server that answers nothing and tells what it is asked: path, and the header of this name.
fn telling_server(header: &str) -> (Process, String) {
    let script = "import http.server, sys\n\
         class Tells(http.server.BaseHTTPRequestHandler):\n\
         \x20   def do_GET(self):\n\
         \x20       print(self.path.split('?')[0], self.headers.get(sys.argv[1]), flush=True)\n\
         \x20       self.send_error(404)\n\
         \x20   def log_message(self, *words):\n\
         \x20       pass\n\
         server = http.server.HTTPServer(('127.0.0.1', 0), Tells)\n\
         print(server.server_address[1], flush=True)\n\
         server.serve_forever()\n";
    let mut python = Command::new("python3");
    python.args(["-c", script, header]).stdin(Stdio::null());
    let mut process = Process::start_telling(&mut python);
    let port = process.line();
    (process, port)
}

#[test]
fn a_source_is_asked_at_its_base_url_with_the_headers_that_the_config_says() {
    let (mut server, port) = telling_server("X-Asked-By");
    let base = format!("http://127.0.0.1:{port}/some/fhir");
    let source = Source::searched("hilltop", &base)
        .ods_code("ZZ009")
        .auth("{ kind = \"none\" }\nheaders = { \"X-Asked-By\" = \"kith of {ods}\" }");
    let world = World::of(&[source], &[PartnerFile::of("elm")]);
    world.kith(&["run", "--once"], 1);
    let line = server.line();
    let (path, header) = line.split_once(' ').expect("a path and a header");
    assert!(path.starts_with("/some/fhir/"), "{path}");
    assert_eq!(header, "kith of ZZ009");
}

#[test]
fn what_a_partner_tells_is_written_to_where_the_push_of_the_config_says() {
    let (mut server, port) = telling_server("Accept");
    let elsewhere = format!("{{ kind = \"fhir\", base_url = \"http://127.0.0.1:{port}/writes\" }}");
    let people = [(1, "Anna"), (2, "Ben"), (3, "Cara")];
    let records = people.map(|(number, given)| referral(number, given, "Beech", "elm"));
    let mut world = World::of_gp(&[PartnerFile::of("elm")], &records.concat());
    let written = |world: &World| world.gp_has("Observation").len();
    for ((number, given), push) in people.into_iter().zip([
        "{ kind = \"off\" }",
        elsewhere.as_str(),
        "{ kind = \"fhir\" }",
    ]) {
        world.source(|source| source.push(push));
        world.runs();
        let row = world.row_of(&format!("{given} Beech"));
        world.partner_returns(
            "elm",
            &format!("returns {number}.csv"),
            &[(row, came(1, "Y"))],
        );
        world.runs();
        if number == 2 {
            let asked = server.line();
            assert!(asked.starts_with("/writes/"), "{asked}");
        }
        assert_eq!(written(&world) > 0, number == 3, "{push}");
    }
}
