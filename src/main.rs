//! The `fanfare` command: everything it does is the library's.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    fanfare::cli::main()
}
