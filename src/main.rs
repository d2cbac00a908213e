//! The `kith` command: parses the command line, dispatches, and turns the result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kith::cli::main()
}
