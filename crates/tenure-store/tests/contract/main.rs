//! The contract of the Store, which every engine keeps. A test is a plain function over a private,
//! empty database; the table below makes a `#[test]` of each for each engine. What only one engine
//! has (SQLite's files) is in a file of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod ahead;
mod ahead_races;
mod clock;
mod compare_and_set;
mod concurrency;
mod corrupt;
mod crash;
mod due;
mod fresh;
mod joined;
mod life;
mod listing;
mod lists;
mod outbox;
mod people;
mod postgres_only;
mod restore;
mod round_trip;
mod round_trip_tenant;
mod sample;
mod signals;
mod sqlite_only;
mod support;
mod sweep;
mod together;
mod transactions;
mod upstream;
mod variety;

/// The tests of the table, each over a fresh database of one engine.
macro_rules! engine {
    ($fresh:path, $($file:ident { $($name:ident)+ })+) => {
        $(mod $file {
            $(#[test]
            fn $name() {
                crate::$file::$name(&$fresh());
            })+
        })+
    };
}

/// One line for each engine.
macro_rules! contract {
    ($($table:tt)+) => {
        mod sqlite {
            engine!(crate::fresh::Fresh::sqlite, $($table)+);
        }
        mod postgres {
            engine!(crate::fresh::Fresh::postgres, $($table)+);
        }
    };
}

contract! {
    round_trip {
        sessions
        participants
        families
        families_change
        codes
        revoked_tokens
        one_time
    }
    people {
        users
        identifiers_belong_to_one_user
        permissions
        consents
    }
    round_trip_tenant {
        documents
        documents_by_kind
        every_change_raises_the_configuration_version
        keys
        throttle
        logs
        meta
    }
    compare_and_set {
        a_stale_generation_changes_nothing
        a_family_is_found_only_with_its_own_session
        an_ended_family_stays_ended
        an_ended_session_stays_ended
        a_session_that_is_gone_stays_gone
        a_code_is_consumed_once
        a_code_is_not_consumed_without_an_instant
        one_time_is_recorded_once_and_taken_once
        one_time_kinds_do_not_mix
        an_id_is_never_used_twice
        revoking_a_token_touches_no_other
    }
    concurrency {
        threads_that_race_for_one_family
        tasks_that_race_for_one_code
        threads_that_race_for_one_assertion
        threads_that_race_for_the_last_free_attempt
        threads_that_raise_one_number
        many_writers_on_many_sessions
        two_programs_on_one_database
        readers_see_every_answered_write
        a_reader_sees_one_instant
        readers_never_see_half_a_transaction
        many_open_a_new_database_at_once
    }
    together {
        an_authorization_is_recorded_whole
        an_extension_is_recorded_whole_and_heard
        what_a_question_about_a_session_needs
        a_code_and_its_family
        a_family_and_its_session
        an_end_with_all_that_hangs_on_it
        an_end_that_misses_a_family_changes_nothing
        a_change_under_a_held_session_must_find_its_family
        a_session_and_its_user
        of_two_who_add_neither_is_lost
        the_first_value_stays
        a_lease_has_one_holder_at_a_time
        a_section_has_one_visitor_at_a_time
        a_notice_is_heard_after_the_commit_and_on_other_servers
        texts_with_a_nul_are_no_failure
    }
    joined {
        what_stands_beside_a_session_is_read_with_it
        who_waited_for_a_session_reads_its_family_and_its_code_anew
        the_last_statement_is_committed_with_what_came_before
        a_last_statement_that_fails_takes_everything_back
        nothing_follows_the_last_statement
        entries_of_a_batch_are_stored_as_they_are
    }
    ahead {
        what_was_foreseen_runs_once_and_is_told
        an_authorization_and_the_exchange_of_its_code
        what_was_not_foreseen_is_done_all_the_same
        a_refusal_and_a_panic_change_nothing
        many_exchanges_at_once_are_one_after_the_other
        a_closed_store_says_so_here_too
    }
    transactions {
        an_err_rolls_back_only_its_own_closure
        a_panic_rolls_back_only_its_own_closure
        a_panic_while_reading_harms_nobody
        a_refusal_is_a_value_and_commits
        state_and_side_effect_stand_or_fall_together
        nothing_is_answered_or_seen_before_the_commit
        a_commit_that_fails_is_never_a_success
        a_caller_who_goes_away_changes_nothing
        a_reading_closure_cannot_write
    }
    life {
        a_full_queue_answers_overloaded_and_loses_nothing
        full_readers_do_not_stop_the_writer
        a_closed_store_says_so
        closing_finishes_what_waits
        dropping_finishes_what_waits
        dropping_without_closing_loses_nothing
        dropping_gives_up_every_connection
        opening_twice_is_fine
        a_database_from_a_newer_program_is_refused
        a_neighbouring_newer_schema_is_used
    }
    corrupt {
        a_broken_session_is_named
        a_broken_family_is_named
        a_broken_code_is_named
        a_broken_user_is_named
        an_id_of_the_wrong_length_is_named
        a_broken_row_leaves_others_alone
    }
    clock {
        a_session_of_the_future_keeps_what_it_was_promised
        a_family_of_the_future_keeps_its_last_exchange
        the_generation_decides_and_not_the_instant
        nothing_of_the_future_is_swept
    }
    sweep {
        a_session_goes_with_all_that_hangs_on_it
        a_session_stays_while_a_family_of_it_lives
        a_session_stays_while_somebody_is_to_be_told_of_its_end
        every_sweep_takes_only_what_is_due_and_at_most_so_many
        logs_are_swept_by_id
        what_has_expired_is_still_there_until_swept
    }
    lists {
        sessions_by_user_show_nobody_elses
        sessions_page_by_page
        what_lives_page_by_page
        sessions_that_are_alive
        a_census_counts_each_live_session_once
        families_by_session_and_by_user
        refresh_keys_that_live_families_name
        users_page_by_page
        logs_in_the_order_of_their_ids
    }
    listing {
        metadata_belongs_to_its_session_or_family
        metadata_goes_with_its_session
        broken_metadata_is_named
        a_look_at_live_sessions_is_bounded
        live_sessions_of_one_user_are_counted
        participants_of_many_sessions
        families_of_a_user_page_by_page
    }
    outbox {
        an_end_leaves_a_row_for_each_participant
        a_claim_takes_what_is_due_and_comes_back_when_it_is_lost
        of_two_claimers_each_gets_others
        what_is_settled_stays_settled
        what_was_given_up_can_be_tried_again
        what_is_given_back_was_no_attempt
    }
    due {
        sessions_come_in_the_order_of_their_deadlines
        a_session_that_is_put_off_is_not_due_before
        of_two_workers_each_takes_others
        nobody_is_looked_at_later_than_the_idle_deadline
        a_users_end_is_kept_until_it_is_dropped
        what_a_user_is_signed_in_to_is_listed_a_few_at_a_time
    }
    upstream {
        a_subject_leads_to_one_user_for_good
        identities_go_with_their_user
        what_is_written_of_an_upstream_session_is_read
        a_provider_finds_its_own_sessions_and_no_others
        an_upstream_session_is_swept_with_its_session
    }
    signals {
        what_is_kept_is_read_and_a_repeat_is_no_second_row
        they_are_counted_for_each_connection
        each_connection_has_what_is_due_of_it_alone
        a_claim_takes_what_is_due_and_what_is_lost_comes_back
        a_word_and_who_listens_for_it_meet
        of_two_claimers_each_gets_others
        an_upstream_session_ends_once_and_forgets_its_tokens
        all_of_a_person_end_that_began_by_then
        what_is_to_be_confirmed_is_claimed_by_one_and_settled_once
    }
    restore {
        ends_every_session_and_family_and_raises_the_epoch
        keeps_the_first_end
        keeps_sessions_when_asked_to
        begins_again_where_it_was_interrupted
    }
    crash {
        what_was_answered_survives_a_kill
    }
}
