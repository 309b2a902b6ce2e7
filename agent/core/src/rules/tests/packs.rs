use super::*;
#[test]
fn the_shipped_rules_read() {
    match Rules::read(&[shipped()]) {
        Ok(rules) => {
            eprintln!("{} ids, {} rules", rules.len(), rules.rules.len());
        }
        Err(problems) => panic!(
            "{}",
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        ),
    }
}
