//! The `fanfare` command: everything it does is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    fanfare::cli::main()
}
