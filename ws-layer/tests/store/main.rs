//! One suite over every session store, and a Redis that is restarted and paused meanwhile.
//!
//! Where `redis-server` is missing the tests that need it say so and pass, unless
//! `CAMPANILE_REQUIRE_PEERS=1`.
#![allow(clippy::unwrap_used)]

mod make;
mod outage;
mod server;
mod suite;
#[path = "../../../tests/src/until.rs"]
mod until;

/// Each behaviour is shown of both stores.
macro_rules! over_both {
    ($($behaviour:ident),* $(,)?) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    let store = campanile_ws::resume::store::MemoryStore::new();
                    super::suite::$behaviour(store).await;
                }
            )*
        }

        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    if let Some(server) = super::server::Redis::start().await {
                        super::suite::$behaviour(server.store()).await;
                    }
                }
            )*
        }
    };
}

over_both!(
    a_claimed_session_is_as_it_was_saved,
    what_nobody_knows_is_unknown_and_what_is_over_is_expired,
    of_many_claimers_exactly_one_wins,
    a_claim_may_come_again_until_a_welcome_is_confirmed,
    a_holder_that_was_overtaken_is_fenced,
    an_attached_session_is_asked_for_before_it_is_taken,
    a_session_of_a_node_that_is_gone_is_free_to_claim,
    a_save_that_comes_twice_counts_once,
    numbers_wrap_in_the_store_too,
    what_left_the_holders_log_leaves_the_store,
    a_session_ends_once_and_not_at_an_earlier_generation,
    an_end_and_a_claim_at_once_have_one_winner,
    each_orphan_is_adopted_by_one_node,
    nobody_adopts_from_the_living_and_from_itself,
    a_node_that_leaves_is_adopted_from_at_once,
    adoption_takes_no_more_than_it_was_asked_for,
    a_holder_that_wakes_after_its_sessions_were_adopted_is_fenced_and_takes_them_back,
    an_orphan_that_is_counted_is_not_taken_back,
    of_two_nodes_at_one_generation_the_first_to_tell_has_the_session,
    a_session_that_was_ended_stays_so_and_its_holder_is_told,
    the_end_of_a_session_that_went_on_unheard_ends_what_is_known_of_it,
    who_goes_on_with_a_session_learns_whether_its_loss_is_counted,
    a_node_learns_that_its_lease_was_over,
    a_session_that_is_opened_anew_begins_without_messages,
    batches_are_answered_one_by_one,
    random_histories_keep_their_identities,
);
