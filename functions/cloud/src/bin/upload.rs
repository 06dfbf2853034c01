//! The upload function: serves the public API.

fn main() -> std::process::ExitCode {
    cloud::main(cloud::Function::Upload)
}
