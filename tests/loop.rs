//! Tells the whole story of a model: `make loop`. At the end the server keeps running until Enter is pressed, if there is a terminal.

use std::io::IsTerminal;

fn main() {
    let mut stay = |address: &str| {
        if std::io::stdin().is_terminal() {
            println!("\nlook around: {address}; press Enter to end");
            let _ = std::io::stdin().read_line(&mut String::new());
        }
    };
    let told = tests::story::tell(&mut |line| println!("{line}"), &mut stay);
    println!("\n{} visitors, {} alerts", told.answered.len(), told.alerts.len());
}
