//! Mistakes in the two files are reported, and renewed files are loaded.

use std::path::Path;

use domain::Timestamp;

use super::testing::{file, tls};
use super::*;
use crate::testing::logged;

const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

fn refused(certificate: &Path, key: &Path) -> String {
    match Tls::open(certificate, key) {
        Ok(_) => panic!("{} with {} went through", certificate.display(), key.display()),
        Err(why) => why.to_string(),
    }
}

#[test]
fn mistake_in_the_files_is_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificate, key, wanted) in [
        (file("nowhere.pem"), file("server-key.pem"), "cannot read"),
        (file("server.pem"), file("nowhere.pem"), "cannot read"),
        (folder.path().to_owned(), file("server-key.pem"), "cannot read"),
        (file("server-key.pem"), file("server-key.pem"), "there is no certificate in"),
        (written("broken", broken), file("server-key.pem"), "cannot be read"),
        (written("odd", "-----BEGIN CERTIFICATE-----\n?"), file("server-key.pem"), "cannot be read"),
        (file("server.pem"), file("server.pem"), "there is no private key in"),
        (file("server.pem"), written("empty", ""), "there is no private key in"),
        (file("server.pem"), file("encrypted-key.pem"), "is encrypted"),
        (file("server.pem"), file("encrypted-old-key.pem"), "is encrypted"),
        (file("server.pem"), file("renewed-key.pem"), "does not fit"),
        (file("server.pem"), written("long", &"-".repeat(2 << 20)), "larger than"),
    ] {
        let message = refused(&certificate, &key);
        assert!(message.contains(wanted) && message.lines().count() == 1, "{message}");
    }
}

#[test]
fn chain_with_a_damaged_certificate_does_not_replace_a_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let own = std::fs::read_to_string(file("server.pem")).unwrap();
    let chain = |second: &str| std::fs::write(&certificate, format!("{own}\n{second}\n")).unwrap();
    std::fs::copy(file("server-key.pem"), &key).unwrap();
    chain(&std::fs::read_to_string(file("ca.pem")).unwrap());
    let mut open = Tls::open(&certificate, &key).unwrap();
    assert_eq!(open.current.now().cert.len(), 2);
    for body in ["MIIB", "AAAA", "MAA="] {
        chain(&format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"));
        assert!(refused(&certificate, &key).contains("number 2 of 2 is damaged or cut off"), "{body}");
        let text = logged(|| open.reload(true, NOW));
        assert!(text.contains("the TLS files cannot be used; the certificate in use is kept"), "{text}");
        assert_eq!(open.current.now().cert.len(), 2, "{body}");
    }
}

#[test]
fn renewed_files_are_loaded_and_broken_ones_leave_the_old_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let put = |name: &str| {
        std::fs::copy(file(&format!("{name}.pem")), &certificate).unwrap();
        std::fs::copy(file(&format!("{name}-key.pem")), &key).unwrap();
    };
    let current = |tls: &Tls| tls.current.now().cert[0].to_vec();
    put("server");
    let mut open = Tls::open(&certificate, &key).unwrap();
    let clone = open.clone();
    open.reload(false, NOW);
    assert_eq!(current(&open), current(&tls("server")));

    std::fs::write(&certificate, "half a certif").unwrap();
    open.reload(false, NOW);
    assert_eq!(current(&open), current(&tls("server")), "the old one stays");
    std::fs::remove_file(&certificate).unwrap();
    open.reload(false, NOW);
    assert_eq!(current(&open), current(&tls("server")));

    put("renewed");
    open.reload(false, NOW);
    assert_eq!(current(&clone), current(&tls("renewed")), "clones use the new one");

    put("expired");
    let text = logged(|| open.reload(false, NOW));
    assert_eq!(current(&open), current(&tls("renewed")), "a valid certificate is not replaced by an expired one");
    assert!(text.contains("has expired already; the old certificate is kept"), "{text}");
    assert_eq!(logged(|| open.reload(false, NOW)), "", "the files have not changed");
    assert!(logged(|| open.reload(true, NOW)).contains("has expired already"), "they are read when somebody asks");
    put("selfsigned");
    open.reload(true, NOW);
    assert_eq!(current(&open), current(&tls("selfsigned")));
}
