//! How the threads of OpenMP wait for each other. LightGBM's wait a million times in each of thousands of short loops, which costs nothing
//! while every thread has a core of its own, and many times the work where it has not: a training of 6 CPU seconds took 53 among
//! twenty other programs, and takes 8 if the threads give their core away soon.

use std::env;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use tool::Call;

/// With either, the user has decided.
const DECIDED: [&str; 2] = ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"];
/// How often a thread looks before it sleeps: what libgomp itself takes once it has more threads than cores.
const LOOKS: &str = "1000";

/// Restarts the program with this setting, which the library reads only when it is loaded. A call that only asks for help, or the like, continues
/// as it is, as does everything if this fails.
pub fn let_others_work(call: &Call) {
    let learns = call.arguments.first().is_some_and(|first| !first.as_bytes().starts_with(b"-"));
    if !learns || DECIDED.iter().any(|variable| env::var_os(variable).is_some()) {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    let _failed = again.args(arguments).env(DECIDED[0], LOOKS).exec();
}
