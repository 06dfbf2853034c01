//! The example of the crate's page.

#[path = "../../examples/day.rs"]
mod day;

#[test]
fn example_of_the_crate_page_runs() {
    day::main().unwrap();
}
