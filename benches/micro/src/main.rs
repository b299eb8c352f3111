//! Fixed work of the codec and of whole turns without sockets, for counting instructions.
//!
//! Absent: time, threads and chance. `benches/instructions` runs each scenario under valgrind and
//! counts what happens inside [`measured`] alone, so that set-up costs nothing and the figures
//! repeat.
//!
//! Usage: `micro SCENARIO` prints how many units of work were measured; without a scenario all are
//! run once, `micro list` names them.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a benchmark ends where its ground is gone")]

mod codec;
mod turns;
mod world;

/// Some fixed work that is measured, and what it is counted in.
struct Scenario {
    name: &'static str,
    /// Does the work inside [`measured`] and says how many units it was.
    run: fn() -> u64,
}

fn main() {
    let name = std::env::args().nth(1);
    let all = || codec::SCENARIOS.iter().chain(turns::SCENARIOS);
    match name.as_deref() {
        None => all().for_each(report),
        Some("list") => all().for_each(|scenario| println!("{}", scenario.name)),
        Some(name) => {
            let Some(scenario) = all().find(|scenario| scenario.name == name) else {
                println!("there is no scenario {name}; `micro list` names all");
                std::process::exit(2);
            };
            report(scenario);
        }
    }
}

fn report(scenario: &Scenario) {
    println!("{} {} units", scenario.name, (scenario.run)());
}

/// The only function whose instructions count, with all that it calls.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

/// Does the same work some times unmeasured, so that every table has its size, and then counts.
fn repeat(rounds: u64, mut work: impl FnMut()) {
    (0..WARM_UP).for_each(|_| work());
    measured(&mut || (0..rounds).for_each(|_| work()));
}

/// Rounds before counting begins.
const WARM_UP: u64 = 10;
