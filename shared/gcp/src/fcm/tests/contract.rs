use super::*;

testkit::push_contract!(async || {
    let service = emulators::fcm::Fcm::start().await;
    (Arc::new(open(settings(&service.url))), service)
});
