/* state_test - each transition of the task word, from each state that it may
** be asked in.  The interleavings are in spec/model/state_model.c. */
#include "harness.h"
#include "task/state.h"

#define REFS(n) ((uint64_t)(n) * RTH_S_REF)

static rth__state_t word;

static void set(uint64_t bits, unsigned refs) {
  rth__store_rlx(&word, bits | REFS(refs));
}
static uint64_t bits(void) { return rth__load_rlx(&word) & (RTH_S_REF - 1); }
static uint64_t refs(void) { return rth__load_rlx(&word) / RTH_S_REF; }

TEST(a_new_task_is_queued_and_has_three_references) {
  rth__init(&word, RTH_S_INITIAL);
  ASSERT_EQ(refs(), 3);
  ASSERT_EQ(bits(), RTH_S_NOTIFIED | RTH_S_JOIN_INTEREST);
}

TEST(running_takes_the_notification_and_keeps_the_reference) {
  set(RTH_S_NOTIFIED, 2);
  ASSERT_EQ(rth__state_to_running(&word), RTH_DO_POLL);
  ASSERT_EQ(bits(), RTH_S_RUNNING);
  ASSERT_EQ(refs(), 2);
}

TEST(running_an_aborted_task_cancels_it) {
  set(RTH_S_NOTIFIED | RTH_S_CANCELLED, 2);
  ASSERT_EQ(rth__state_to_running(&word), RTH_DO_CANCEL);
  ASSERT_EQ(bits(), RTH_S_RUNNING | RTH_S_CANCELLED);
}

TEST(a_complete_task_that_comes_out_of_a_queue_loses_a_reference) {
  set(RTH_S_NOTIFIED | RTH_S_COMPLETE, 2);
  ASSERT_EQ(rth__state_to_running(&word), RTH_DO_NOTHING);
  ASSERT_EQ(refs(), 1);
}

TEST(the_queue_may_hold_the_last_reference_to_a_complete_task) {
  set(RTH_S_NOTIFIED | RTH_S_COMPLETE, 1);
  ASSERT_EQ(rth__state_to_running(&word), RTH_DO_FREE);
}

TEST(idle_gives_the_queue_reference_back) {
  set(RTH_S_RUNNING | RTH_S_JOIN_INTEREST, 3);
  ASSERT_EQ(rth__state_to_idle(&word), RTH_DO_NOTHING);
  ASSERT_EQ(bits(), RTH_S_JOIN_INTEREST);
  ASSERT_EQ(refs(), 2);
}

TEST(idle_leaves_the_last_reference_to_whoever_has_it) {
  set(RTH_S_RUNNING, 2);
  ASSERT_EQ(rth__state_to_idle(&word), RTH_DO_NOTHING);
  ASSERT_EQ(rth__load_rlx(&word), REFS(1));
}

TEST(idle_after_a_wake_queues_the_task_again_with_the_same_reference) {
  set(RTH_S_RUNNING | RTH_S_NOTIFIED, 3);
  ASSERT_EQ(rth__state_to_idle(&word), RTH_DO_SUBMIT);
  ASSERT_EQ(bits(), RTH_S_NOTIFIED);
  ASSERT_EQ(refs(), 3);
}

TEST(idle_of_a_forgotten_task_frees_it) {
  set(RTH_S_RUNNING, 1);
  ASSERT_EQ(rth__state_to_idle(&word), RTH_DO_FREE);
}

TEST(idle_of_an_aborted_task_stays_running_to_be_cancelled) {
  set(RTH_S_RUNNING | RTH_S_NOTIFIED | RTH_S_CANCELLED, 2);
  ASSERT_EQ(rth__state_to_idle(&word), RTH_DO_CANCEL);
  ASSERT_EQ(bits(), RTH_S_RUNNING | RTH_S_NOTIFIED | RTH_S_CANCELLED);
  ASSERT_EQ(refs(), 2);
}

TEST(resuming_a_task_that_yielded_takes_the_notification_if_there_is_one) {
  unsigned woken;
  for (woken = 0; woken < 2; woken++) {
    set(RTH_S_RUNNING | (woken ? RTH_S_NOTIFIED : 0), 2);
    ASSERT_EQ(rth__state_resume(&word), RTH_DO_POLL);
    ASSERT_EQ(bits(), RTH_S_RUNNING);
    ASSERT_EQ(refs(), 2);
  }
}

TEST(resuming_a_task_that_was_aborted_since_it_yielded_cancels_it) {
  set(RTH_S_RUNNING, 2);
  ASSERT_EQ(rth__state_abort(&word), RTH_DO_NOTHING);
  ASSERT_EQ(rth__state_resume(&word), RTH_DO_CANCEL);
  ASSERT_EQ(bits(), RTH_S_RUNNING | RTH_S_CANCELLED);
  ASSERT_EQ(refs(), 2);
}

TEST(complete_answers_the_word_before_and_ends_running) {
  set(RTH_S_RUNNING | RTH_S_JOIN_INTEREST | RTH_S_JOIN_WAKER, 2);
  ASSERT_EQ(rth__state_to_complete(&word), RTH_S_RUNNING | RTH_S_JOIN_INTEREST |
                                               RTH_S_JOIN_WAKER | REFS(2));
  ASSERT_EQ(bits(), RTH_S_COMPLETE | RTH_S_JOIN_INTEREST | RTH_S_JOIN_WAKER);
  ASSERT_EQ(refs(), 2);
}

TEST(waking_an_idle_task_by_ref_makes_a_reference_for_the_queue) {
  set(0, 2);
  ASSERT_EQ(rth__state_wake_by_ref(&word), RTH_DO_SUBMIT);
  ASSERT_EQ(bits(), RTH_S_NOTIFIED);
  ASSERT_EQ(refs(), 3);
}

TEST(waking_an_idle_task_leaves_the_waker_its_reference_until_it_is_queued) {
  set(0, 2);
  ASSERT_EQ(rth__state_wake(&word), RTH_DO_SUBMIT);
  ASSERT_EQ(bits(), RTH_S_NOTIFIED);
  ASSERT_EQ(refs(), 3);
}

TEST(waking_twice_queues_once) {
  set(0, 3);
  ASSERT_EQ(rth__state_wake_by_ref(&word), RTH_DO_SUBMIT);
  ASSERT_EQ(rth__state_wake_by_ref(&word), RTH_DO_NOTHING);
  ASSERT_EQ(rth__state_wake(&word), RTH_DO_NOTHING);
  ASSERT_EQ(refs(), 3);
}

TEST(waking_a_running_task_only_marks_it) {
  set(RTH_S_RUNNING, 3);
  ASSERT_EQ(rth__state_wake_by_ref(&word), RTH_DO_NOTHING);
  ASSERT_EQ(bits(), RTH_S_RUNNING | RTH_S_NOTIFIED);
  ASSERT_EQ(refs(), 3);
  ASSERT_EQ(rth__state_wake(&word), RTH_DO_NOTHING);
  ASSERT_EQ(refs(), 2);
}

TEST(waking_a_complete_task_does_nothing_but_drop_the_waker) {
  set(RTH_S_COMPLETE, 2);
  ASSERT_EQ(rth__state_wake_by_ref(&word), RTH_DO_NOTHING);
  ASSERT_EQ(bits(), RTH_S_COMPLETE);
  ASSERT_EQ(rth__state_wake(&word), RTH_DO_NOTHING);
  ASSERT_EQ(rth__state_wake(&word), RTH_DO_FREE);
}

TEST(aborting_an_idle_task_queues_it_to_be_cancelled) {
  set(0, 2);
  ASSERT_EQ(rth__state_abort(&word), RTH_DO_SUBMIT);
  ASSERT_EQ(bits(), RTH_S_NOTIFIED | RTH_S_CANCELLED);
  ASSERT_EQ(refs(), 3);
}

TEST(aborting_a_queued_or_running_task_only_marks_it) {
  set(RTH_S_NOTIFIED, 2);
  ASSERT_EQ(rth__state_abort(&word), RTH_DO_NOTHING);
  ASSERT_EQ(bits(), RTH_S_NOTIFIED | RTH_S_CANCELLED);
  set(RTH_S_RUNNING, 2);
  ASSERT_EQ(rth__state_abort(&word), RTH_DO_NOTHING);
  ASSERT_EQ(bits(), RTH_S_RUNNING | RTH_S_NOTIFIED | RTH_S_CANCELLED);
  ASSERT_EQ(refs(), 2);
}

TEST(aborting_twice_or_after_the_end_changes_nothing) {
  set(RTH_S_NOTIFIED | RTH_S_CANCELLED, 2);
  ASSERT_EQ(rth__state_abort(&word), RTH_DO_NOTHING);
  ASSERT_EQ(bits(), RTH_S_NOTIFIED | RTH_S_CANCELLED);
  set(RTH_S_COMPLETE, 2);
  ASSERT_EQ(rth__state_abort(&word), RTH_DO_NOTHING);
  ASSERT_EQ(bits(), RTH_S_COMPLETE);
}

TEST(the_join_waker_is_lent_and_taken_back) {
  set(RTH_S_JOIN_INTEREST, 2);
  ASSERT(rth__state_set_join_waker(&word));
  ASSERT_EQ(bits(), RTH_S_JOIN_INTEREST | RTH_S_JOIN_WAKER);
  ASSERT(rth__state_unset_join_waker(&word));
  ASSERT_EQ(bits(), RTH_S_JOIN_INTEREST);
}

TEST(the_join_waker_of_a_complete_task_stays_where_it_is) {
  set(RTH_S_COMPLETE | RTH_S_JOIN_INTEREST, 2);
  ASSERT(!rth__state_set_join_waker(&word));
  ASSERT_EQ(bits(), RTH_S_COMPLETE | RTH_S_JOIN_INTEREST);
  set(RTH_S_COMPLETE | RTH_S_JOIN_INTEREST | RTH_S_JOIN_WAKER, 2);
  ASSERT(!rth__state_unset_join_waker(&word));
  ASSERT(bits() & RTH_S_JOIN_WAKER);
}

TEST(the_join_waker_comes_back_to_the_handle_if_there_is_one) {
  set(RTH_S_COMPLETE | RTH_S_JOIN_INTEREST | RTH_S_JOIN_WAKER, 2);
  ASSERT(rth__state_return_join_waker(&word));
  ASSERT_EQ(bits(), RTH_S_COMPLETE | RTH_S_JOIN_INTEREST);
  set(RTH_S_COMPLETE | RTH_S_JOIN_WAKER, 2);
  ASSERT(!rth__state_return_join_waker(&word));
  ASSERT_EQ(bits(), RTH_S_COMPLETE);
}

TEST(a_dropped_join_handle_takes_its_waker_from_a_live_task) {
  set(RTH_S_JOIN_INTEREST | RTH_S_JOIN_WAKER, 2);
  ASSERT_EQ(rth__state_drop_join(&word), REFS(2));
}

TEST(a_dropped_join_handle_leaves_a_complete_task_its_waker) {
  set(RTH_S_COMPLETE | RTH_S_JOIN_INTEREST | RTH_S_JOIN_WAKER, 2);
  ASSERT_EQ(rth__state_drop_join(&word),
            RTH_S_COMPLETE | RTH_S_JOIN_WAKER | REFS(2));
}

TEST(the_last_reference_frees) {
  set(RTH_S_COMPLETE, 3);
  rth__state_ref(&word);
  ASSERT_EQ(rth__state_unref(&word, 1), RTH_DO_NOTHING);
  ASSERT_EQ(rth__state_unref(&word, 2), RTH_DO_NOTHING);
  ASSERT_EQ(rth__state_unref(&word, 1), RTH_DO_FREE);
}
