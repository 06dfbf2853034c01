//! Metrics of the process, under the names that client libraries of Prometheus have agreed on. They are read from `/proc` at
//! each scrape; on a system without it there are none.

use std::fmt::Write;
use std::fs;

/// The unit of processor times in `/proc`. Linux has the same for programs on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    read: fn() -> Option<f64>,
}

const METRICS: [Metric; 5] = [
    Metric {
        name: "process_resident_memory_bytes",
        kind: "gauge",
        help: "Memory of the process that is in RAM, in bytes",
        read: || Some(status("VmRSS:")? * 1024.0),
    },
    Metric {
        name: "process_cpu_seconds_total",
        kind: "counter",
        help: "Processor time of the process, in seconds",
        read: cpu_seconds,
    },
    Metric { name: "process_open_fds", kind: "gauge", help: "Open files, connections included", read: open_files },
    Metric { name: "process_max_fds", kind: "gauge", help: "The limit of open files", read: max_open_files },
    Metric { name: "process_threads", kind: "gauge", help: "Threads of the process", read: || status("Threads:") },
];

/// The metrics in the text format of Prometheus.
pub(crate) fn render() -> String {
    let mut text = String::new();
    for Metric { name, kind, help, read } in &METRICS {
        if let Some(value) = read() {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
        }
    }
    text
}

/// The first number of a line of `/proc/self/status`.
fn status(label: &str) -> Option<f64> {
    number(&fs::read_to_string("/proc/self/status").ok()?, label)
}

fn number(text: &str, label: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(label))?.split_whitespace().next()?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    cpu_seconds_in(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// User and system time. They are the 14th and 15th field; the second one is a name in parentheses that may contain
/// anything.
fn cpu_seconds_in(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

fn open_files() -> Option<f64> {
    // The folder that is read here is open too, and not counted.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

/// Without a limit there is no number.
fn max_open_files() -> Option<f64> {
    number(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_whatever_the_name_of_the_program_is() {
        let stat = "7 (a) b ( c)) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 100 1000 10";
        assert_eq!(cpu_seconds_in(stat), Some(2.0));
        assert_eq!(cpu_seconds_in("7 (a) S 1"), None);
        assert_eq!(cpu_seconds_in(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn metrics_of_this_process_are_plausible() {
        let text = render();
        let value = |name: &str| number(&text, &format!("{name} ")).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_cpu_seconds_total") < 1e6);
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") < value("process_max_fds"));
        assert!(value("process_threads") >= 1.0);
        let more: Vec<_> = (0..20).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(open_files().unwrap() >= 20.0, "{}", more.len());
    }
}
