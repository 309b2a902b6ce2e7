//! VHR Agent, the program.
fn main() {}
