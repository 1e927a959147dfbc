//! The program `pingu`: see `pingu --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pingu::cli::main()
}
