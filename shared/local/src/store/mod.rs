//! The job store in SQLite: everything that must agree, in one transaction for each operation.

mod accept;
mod devices;
mod fault;
mod query;
mod reading;
mod redirects;
mod schema;
mod step;
mod surroundings;
mod table;
mod turns;
mod work;

#[cfg(test)]
mod tests;
