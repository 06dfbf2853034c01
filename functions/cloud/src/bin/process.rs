//! The process function: serves the target of tasks and the sweep.

fn main() -> std::process::ExitCode {
    cloud::main(cloud::Function::Process)
}
