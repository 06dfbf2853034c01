use super::*;
use crate::testing::{NOW, conversation, job, line, uid};
use crate::usage::Usage;

fn recording_id() -> RecordingId {
    job(1, 0, true).files[0].recording
}

#[test]
fn export_page_continues_within_and_across_record_kinds() {
    let (recording, id) = (recording_id(), conversation(1, 0).id);
    let all = [Part::Recordings(None), Part::Lines(None), Part::Conversations(None), Part::Usage(None)];
    for (key, part) in [
        (RecordKey::Recording(recording), Part::Recordings(Some(recording))),
        (RecordKey::of_line(line(recording, 7).segment()), Part::Lines(Some((recording, 7000)))),
        (RecordKey::Conversation(id), Part::Conversations(Some(id))),
        (RecordKey::Usage(NOW), Part::Usage(Some(NOW))),
    ] {
        let parts = parts_after(Some(key));
        assert_eq!(parts[0], part);
        assert_eq!(parts[1..], all[all.len() + 1 - parts.len()..], "{key}");
    }
    assert_eq!(parts_after(None), all);
    assert_eq!(parts_after(Some(RecordKey::Usage(NOW))).len(), 1);
}

#[test]
fn import_refuses_records_of_others_and_unreadable_ones_and_too_many() {
    let mine = || Record::from(conversation(1, 0));
    assert_eq!(check(&uid("ann"), &vec![mine(); MAX_IMPORT]), Ok(()));
    assert_eq!(check(&uid("ann"), &vec![mine(); MAX_IMPORT + 1]), Err(InvalidWrite::Records));
    assert_eq!(check(&uid("bob"), &[mine()]), Err(InvalidWrite::Records));
    let unreadable = Record::Unreadable(mine().key());
    assert_eq!(check(&uid("ann"), &[mine(), unreadable]), Err(InvalidWrite::UnreadableRecord));
}

#[test]
fn existing_record_is_known_or_a_conflict_and_never_written() {
    let (mut imported, new) = (Imported::default(), Record::from(line(recording_id(), 0)));
    assert!(imported.note(&new, None));
    assert!(!imported.note(&new, Some(&new)));
    let other = Record::from(line(recording_id(), 1));
    assert!(!imported.note(&new, Some(&other)));
    assert!(!imported.note(&new, Some(&Record::Unreadable(new.key()))));
    let usage = Record::from(Bucket { hour: NOW, usage: Usage::default() });
    assert!(imported.note(&usage, None));
    assert_eq!(imported, Imported { written: 2, known: 1, conflicts: vec![new.key(); 2] });
}
