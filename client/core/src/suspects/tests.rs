use super::*;

const SERVICE: BlockServiceId = BlockServiceId(7);
const SECOND: Duration = Duration::from_secs(1);

/// When probes are due in ten minutes in which 16 reads look every 100 ms, in tenths of a second.
fn probes(suspects: &Suspects, began: Instant) -> Vec<u32> {
    let mut probes = Vec::new();
    for tenth in 0..6000 {
        let now = began + Duration::from_millis(100) * tenth;
        for _ in 0..16 {
            match suspects.look_at(SERVICE, now) {
                Look::Trusted => panic!("trusted without an answer, after {tenth}"),
                Look::Suspected => {}
                Look::ProbeDue => {
                    probes.push(tenth);
                    // It is slow still, and so say all who waited for it.
                    suspects.add_at(SERVICE, Fault::Slow, now);
                    suspects.add_at(SERVICE, Fault::Failed, now);
                }
            }
        }
    }
    probes
}

fn failed(suspects: &Suspects, now: Instant) -> Vec<BlockServiceId> {
    suspects.avoided_at(now).failed
}

fn slow(suspects: &Suspects, now: Instant) -> Vec<BlockServiceId> {
    suspects.avoided_at(now).slow
}

#[test]
fn one_read_of_all_probes_with_growing_pauses_and_the_others_keep_away() {
    let suspects = Suspects::default();
    let began = Instant::now();
    assert_eq!(suspects.look_at(SERVICE, began), Look::Trusted);
    suspects.add_at(SERVICE, Fault::Slow, began);
    let probes = probes(&suspects, began);
    assert_eq!(probes[..7], [10, 30, 70, 150, 310, 610, 910]);
    assert_eq!(probes.len(), 5 + 18);
}

#[test]
fn an_answer_ends_it_and_the_pauses_begin_anew() {
    let suspects = Suspects::default();
    let began = Instant::now();
    suspects.add_at(SERVICE, Fault::Failed, began);
    probes(&suspects, began);
    suspects.trust(SERVICE);
    let later = began + 700 * SECOND;
    assert_eq!(suspects.look_at(SERVICE, later), Look::Trusted);
    suspects.add_at(SERVICE, Fault::Slow, later);
    let due = later + PAUSE_MIN;
    assert_eq!(suspects.look_at(SERVICE, due), Look::ProbeDue);
}

#[test]
fn time_alone_does_not_end_it() {
    let suspects = Suspects::default();
    let began = Instant::now();
    suspects.add_at(SERVICE, Fault::Slow, began);
    let later = began + 3600 * SECOND;
    assert_eq!(slow(&suspects, later), [SERVICE]);
    assert_eq!(
        suspects.look_at(SERVICE, later),
        Look::Suspected,
        "a write was told to probe"
    );
    let later = later + 3600 * SECOND;
    assert_eq!(suspects.look_at(SERVICE, later), Look::ProbeDue);
}

#[test]
fn writes_keep_away_from_what_reads_suspect_and_probe_it_themselves() {
    let suspects = Suspects::default();
    let began = Instant::now();
    suspects.add_at(SERVICE, Fault::Slow, began);
    assert_eq!(slow(&suspects, began), [SERVICE]);
    assert_eq!(failed(&suspects, began), []);
    let mut due = Vec::new();
    for tenth in 0..320 {
        let avoided = suspects.avoided_at(began + SECOND / 10 * tenth);
        assert_eq!(avoided.slow, [SERVICE], "not avoided after {tenth}");
        due.extend(avoided.probes_due.iter().map(|_| tenth));
    }
    assert_eq!(due, [10, 30, 70, 150, 310]);
    suspects.trust_at(SERVICE, began + 32 * SECOND);
    assert_eq!(suspects.avoided_at(began + 33 * SECOND), Avoided::default());
}

#[test]
fn what_cannot_be_reached_takes_no_blocks_until_that_is_old_news() {
    let suspects = Suspects::default();
    let began = Instant::now();
    suspects.add_at(SERVICE, Fault::Failed, began);
    assert_eq!(failed(&suspects, began), [SERVICE]);
    let later = began + CERTAIN;
    assert_eq!(
        (failed(&suspects, later), slow(&suspects, later)),
        (vec![], vec![SERVICE])
    );
    // Probes that fail are news.
    suspects.add_at(SERVICE, Fault::Failed, later);
    assert_eq!(failed(&suspects, later + CERTAIN - SECOND), [SERVICE]);
    suspects.trust_at(SERVICE, later + SECOND);
    assert_eq!(suspects.avoided_at(later + SECOND), Avoided::default());
}

#[test]
fn between_two_probes_that_fail_it_stays_certain() {
    let suspects = Suspects::default();
    let began = Instant::now();
    suspects.add_at(SERVICE, Fault::Failed, began);
    for second in 0..600 {
        let now = began + SECOND * second;
        let avoided = suspects.avoided_at(now);
        assert_eq!(avoided.failed, [SERVICE], "after {second} s");
        if !avoided.probes_due.is_empty() {
            suspects.add_at(SERVICE, Fault::Failed, now + SECOND);
        }
    }
}

#[test]
fn a_disk_that_takes_no_blocks_is_read_from_all_the_same() {
    let suspects = Suspects::default();
    let began = Instant::now();
    suspects.add_at(SERVICE, Fault::WriteRefused, began);
    assert_eq!(suspects.look_at(SERVICE, began), Look::Trusted);
    assert_eq!(failed(&suspects, began + BARRED_MIN - SECOND), [SERVICE]);
    assert_eq!(suspects.avoided_at(began + BARRED_MIN), Avoided::default());
}

#[test]
fn answering_probes_does_not_make_up_for_slow_writes() {
    let suspects = Suspects::default();
    let began = Instant::now();
    suspects.add_at(SERVICE, Fault::WriteSlow, began);
    assert_eq!(suspects.look_at(SERVICE, began), Look::Suspected);
    suspects.trust_at(SERVICE, began + SECOND);
    assert_eq!(suspects.look_at(SERVICE, began + SECOND), Look::Trusted);
    assert_eq!(slow(&suspects, began + BARRED_MIN - SECOND), [SERVICE]);
    assert_eq!(slow(&suspects, began + BARRED_MIN), []);
}

#[test]
fn who_fails_again_soon_is_barred_for_longer() {
    let suspects = Suspects::default();
    let mut now = Instant::now();
    let mut lengths = Vec::new();
    for _ in 0..7 {
        let began = now;
        for _ in 0..14 {
            suspects.add_at(SERVICE, Fault::WriteRefused, now);
        }
        while failed(&suspects, now) == [SERVICE] {
            now += SECOND;
        }
        lengths.push((now - began).as_secs());
    }
    assert_eq!(lengths, [10, 20, 40, 80, 160, 300, 300]);
    now += BARRED_MAX;
    suspects.add_at(SERVICE, Fault::WriteRefused, now);
    assert_eq!(failed(&suspects, now + BARRED_MIN), [], "long ago");
}

#[test]
fn a_refusal_weighs_more_than_slowness() {
    let suspects = Suspects::default();
    let began = Instant::now();
    suspects.add_at(SERVICE, Fault::WriteSlow, began);
    suspects.add_at(SERVICE, Fault::WriteRefused, began);
    suspects.add_at(SERVICE, Fault::WriteSlow, began);
    assert_eq!(
        (failed(&suspects, began), slow(&suspects, began)),
        (vec![SERVICE], vec![])
    );
}

#[test]
fn memory_is_bounded_and_old_suspicions_make_room() {
    let suspects = Suspects::default();
    let began = Instant::now();
    for n in 0..2 * REMEMBERED_MAX as u64 {
        suspects.add_at(BlockServiceId(n), Fault::Slow, began);
    }
    assert_eq!(suspects.lock().len(), REMEMBERED_MAX);
    let later = began + PAUSE_MIN + UNUSED;
    suspects.add_at(BlockServiceId(u64::MAX), Fault::Failed, later);
    assert_eq!(failed(&suspects, later), [BlockServiceId(u64::MAX)]);
    assert_eq!(suspects.lock().len(), 1);
}
