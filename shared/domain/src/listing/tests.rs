use super::*;
use crate::job::DispatchState;
use crate::testing::{NOW, after, conversation, job, line, uid};

fn page<C>(after: Option<C>) -> Page<C> {
    Page { after, limit: 10 }
}

#[test]
fn jobs_of_the_user_are_shown_until_they_expire() {
    let query = JobQuery::all(&uid("ann"), page(None), NOW);
    assert!(query.shows(&job(1, 0, true)));
    assert!(!query.shows(&Job { uid: uid("bob"), ..job(1, 0, true) }));
    for (expires, shown) in [(-1, false), (0, false), (1, true)] {
        assert_eq!(query.shows(&Job { expires_at: Some(after(expires)), ..job(1, 0, true) }), shown, "{expires}");
    }
}

#[test]
fn jobs_of_the_wanted_statuses_are_shown() {
    let all = JobQuery::all(&uid("ann"), page(None), NOW);
    let query = JobQuery { statuses: vec![Status::Processing, Status::Failed], ..all.clone() };
    for status in Status::ALL {
        assert!(all.wants(status));
        let shown = matches!(status, Status::Processing | Status::Failed);
        assert_eq!(query.shows(&Job { status, ..job(1, 0, true) }), shown, "{status:?}");
    }
}

#[test]
fn next_page_of_jobs_continues_with_older_ones() {
    let cursor = JobCursor::of(&job(5, 0, true));
    let query = JobQuery::all(&uid("ann"), page(Some(cursor)), NOW);
    for (id, secs, shown) in [(4, 0, true), (5, 0, false), (6, 0, false), (9, -1, true), (1, 1, false)] {
        assert_eq!(query.shows(&job(id, secs, true)), shown, "{id} {secs}");
    }
}

#[test]
fn changed_jobs_are_shown_from_the_later_of_cursor_and_time() {
    let shown = |since: i64, cursor: Option<(i64, u128)>| {
        let cursor = cursor.map(|(secs, id)| ChangeCursor::of(&job(id, secs, true)));
        let query = ChangeQuery::of(&uid("ann"), after(since), page(cursor), NOW);
        let all = [(1, 0), (2, 0), (1, 1), (2, 2)];
        all.into_iter().filter(|(id, secs)| query.shows(&job(*id, *secs, true))).collect::<Vec<_>>()
    };
    assert_eq!(shown(0, None).len(), 4);
    assert_eq!(shown(1, None), [(1, 1), (2, 2)]);
    assert_eq!(shown(0, Some((0, 1))), [(2, 0), (1, 1), (2, 2)]);
    assert_eq!(shown(1, Some((0, 2))), [(1, 1), (2, 2)], "the cursor lies before the time");
    assert_eq!(shown(1, Some((1, 1))), [(2, 2)], "the cursor lies at the time");
}

#[test]
fn conversations_are_shown_by_their_start_and_while_they_are_live() {
    let query =
        ConversationQuery { from: Some(NOW), to: Some(after(9)), ..ConversationQuery::all(&uid("ann"), page(None)) };
    for (secs, shown) in [(-1, false), (0, true), (8, true), (9, false)] {
        assert_eq!(query.shows(&conversation(1, secs)), shown, "{secs}");
    }
    assert!(!query.shows(&Conversation { deleted_at: Some(NOW), ..conversation(1, 0) }));
    assert!(!query.shows(&Conversation { merged_into: Some(conversation(2, 0).id), ..conversation(1, 0) }));
    assert!(!query.shows(&Conversation { uid: uid("bob"), ..conversation(1, 0) }));
    let next = ConversationQuery { page: page(Some((NOW, conversation(5, 0).id))), ..query };
    for (id, secs, shown) in [(5, 0, false), (6, 0, true), (4, 0, false), (1, 1, true), (1, 9, false)] {
        assert_eq!(next.shows(&conversation(id, secs)), shown, "{id} {secs}");
    }
}

#[test]
fn page_of_lines_has_a_cursor_only_if_another_page_follows() {
    let recording = job(1, 0, true).files[0].recording;
    let lines = |count: i64| (0..count).map(|secs| line(recording, secs)).collect::<Vec<_>>();
    let last = ConversationPage::of(conversation(1, 0), lines(2), 2);
    assert_eq!((last.lines.len(), last.next), (2, None));
    let first = ConversationPage::of(conversation(1, 0), lines(3), 2);
    assert_eq!((first.lines.len(), first.next), (2, Some(LineCursor::of(&line(recording, 1)))));
}

#[test]
fn job_that_is_due_at_no_time_has_no_place_among_due_jobs() {
    let due = job(1, 0, true);
    assert_eq!(due.dispatch.state, DispatchState::Pending);
    assert_eq!(DueCursor::of(&due).map(|cursor| cursor.due_at), due.due_at);
    assert_eq!(DueCursor::of(&Job { due_at: None, ..due }), None);
}
