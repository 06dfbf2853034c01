//! The two functions on Google Cloud, for Cloud Run, AWS Lambda or a plain port: configuration, adapters, programs.

mod adapters;
mod args;
mod doctor;
mod environment;
mod function;
mod hosting;
mod moving;
mod options;
mod program;

pub use function::Function;
pub use program::main;
