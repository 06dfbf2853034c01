//! The task target and the sweep.

fn main() -> std::process::ExitCode {
    cloud::main(cloud::Function::Process)
}
