//! A child process writes and says what was answered to it; it is killed; everything it said is there
//! (design invariant 2). The child is this same test binary.

use crate::fresh::Fresh;
use crate::sample::{self, family_id, sid};
use crate::support::{read, write};
use crate::variety::Dice;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use tenure_protocol::refresh::Family;
use tenure_protocol::session::EndReason;
use tenure_store::{SessionFilter, Store};

const PLACE: &str = "TENURE_CRASH_PLACE";
const ROTATIONS: u32 = 4;
const THREADS: u32 = 4;

pub fn what_was_answered_survives_a_kill(fresh: &Fresh) {
    let full = std::env::var_os("TENURE_FULL").is_some_and(|value| value == "1");
    let mut dice = Dice::new(41);
    // Every round goes on with the database that the killed one left behind.
    for round in 0..if full { 50 } else { 3 } {
        let lines = 1 + usize::try_from(dice.roll() % 150).unwrap();
        let said = said_before_the_kill(fresh, round, lines);
        assert!(said.len() >= lines, "the child ended by itself: {said:?}");
        let store = fresh.reopen();
        for line in &said {
            assert_is_there(&store, line);
        }
        assert_nothing_is_half_there(&store);
        store.close();
    }
}

fn said_before_the_kill(fresh: &Fresh, round: u32, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--nocapture"])
        .env(PLACE, fresh.place())
        .env("TENURE_CRASH_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        // A line without its end was cut off by the kill.
        if let Some(text) = line.strip_suffix('\n')
            && let Some((_, answered)) = text.split_once("answered ")
        {
            said.push(answered.to_owned());
        }
        if said.len() == lines {
            // SIGKILL: no handler, no destructor. What is still in the pipe was said before.
            child.kill().unwrap();
        }
        line.clear();
    }
    child.wait().unwrap();
    said
}

fn assert_is_there(store: &Store, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let n: u32 = words[1].parse().unwrap();
    let session = read(store, move |tx| tx.session(&sid(n)));
    let family = read(store, move |tx| tx.family(&sid(n), &family_id(n)));
    let (session, family) = (session.expect(line), family.expect(line));
    match words[0] {
        "login" => {}
        "rotation" => assert!(family.generation >= words[2].parse().unwrap(), "{line}"),
        "logout" => assert!(session.end.is_some() && family.end.is_some(), "{line}"),
        other => panic!("{other}"),
    }
}

fn assert_nothing_is_half_there(store: &Store) {
    let all = SessionFilter {
        limit: 1_000_000,
        ..SessionFilter::default()
    };
    let problems = read(store, |tx| tx.integrity_problems());
    assert!(problems.is_empty(), "{problems:?}");
    read(store, move |tx| {
        for session in tx.sessions(&all)? {
            let families = tx.families_of_session(&session.sid)?;
            assert_eq!(families.len(), 1);
            assert_eq!(families[0].end, session.end);
            let logs = tx.logs(Some(&session.user_id), "", 1000)?;
            assert_eq!(logs.len(), usize::try_from(families[0].generation).unwrap());
        }
        Ok(())
    });
}

/// What the child process runs; without a place named by its parent it does nothing.
#[test]
fn child() {
    let Ok(place) = std::env::var(PLACE) else {
        return;
    };
    let round: u32 = std::env::var("TENURE_CRASH_ROUND")
        .unwrap()
        .parse()
        .unwrap();
    let store = Fresh::at(&place).open_durable();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                // An end, in case nobody kills it; saying something to nobody panics and ends it too.
                for n in 0..20_000 {
                    live_and_say_so(store, (round * 20_000 + n) * THREADS + thread);
                }
            });
        }
    });
}

/// A session from its login to its logout.
fn live_and_say_so(store: &Store, n: u32) {
    write(store, move |tx| {
        tx.insert_session(&sample::session(n))?;
        tx.insert_family(&sample::family(n))
    });
    println!("answered login {n}");
    for generation in 1..=ROTATIONS {
        let won = write(store, move |tx| {
            let family = tx.family(&sid(n), &family_id(n))?.unwrap();
            tx.insert_log(&sample::log(&format!("{n}-{generation}"), &family.user_id))?;
            tx.update_family(&sample::rotated(&family), generation - 1)
        });
        assert!(won);
        println!("answered rotation {n} {generation}");
    }
    write(store, move |tx| {
        let end = sample::end(EndReason::UserLogout);
        let family = tx.family(&sid(n), &family_id(n))?.unwrap();
        let ended = Family {
            end: Some(end.clone()),
            ..family
        };
        assert!(tx.update_family(&ended, ROTATIONS)?);
        tx.update_session(&sample::session(n).ended(end))
    });
    println!("answered logout {n}");
}
