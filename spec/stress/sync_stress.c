/* sync_stress - every primitive of csrc/sync under the actors of actors.h, on
** 1 to 16 workers.  At the end all messages, permits and notifications must be
** accounted for; a lost wake-up shows as a test over its time limit. */
#include "actors.h"

/* ---- semaphore --------------------------------------------------------- */

enum { PERMITS = 5 };
static rth_semaphore_t *semaphore;
static RTH_ATOMIC(int) in_use;

static void sem_put(struct actor *a) {
  if (a->step == 0) return;
  a->step = 0;
  (void)rth__sub_rlx(&in_use, (int)a->k);
  ASSERT_OK(rth_semaphore_release(semaphore, a->k));
}

static rth_poll_t sem_run(struct actor *a, rth_cx_t *cx) {
  for (; a->round < ROUNDS; a->round++) {
    if (a->step == 0) {
      if (!rth_wait_is_registered(&a->wait))
        a->k = 1 + rth__rand_below(&a->rand, 3);
      if (rth_semaphore_poll(semaphore, a->k, &a->wait, &cx->waker) ==
          RTH_PENDING)
        return waits(a, cx);
      a->step = 1;
      ASSERT_LE(rth__add_rlx(&in_use, (int)a->k) + (int)a->k, PERMITS);
      if (chance(a, 3)) return yields(cx);
    }
    sem_put(a);
  }
  return RTH_READY;
}

static void sem_scenario(unsigned workers) {
  int i;
  ASSERT_OK(rth_semaphore_new(PERMITS, &semaphore));
  begin(workers);
  for (i = 0; i < ACTORS; i++) spawn(sem_run, sem_put, NULL);
  end(ACTORS / 2);
  ASSERT_EQ(rth_semaphore_available(semaphore), PERMITS);
  ASSERT_EQ(rth__load_rlx(&in_use), 0);
  rth_semaphore_unref(semaphore);
}

TEST(no_permit_is_lost_or_doubled) { on_all(sem_scenario); }

/* ---- mpsc -------------------------------------------------------------- */

static rth_mpsc_t *channel;
static RTH_ATOMIC(int) sent;
static int received, next_of[ACTORS], limit; /* the receiver's */

static void producer_end(struct actor *a) {
  if (a->m != NULL) a->m->drop(a->m);
  a->m = NULL;
  rth_mpsc_tx_free(channel);
}

static rth_poll_t producer_run(struct actor *a, rth_cx_t *cx) {
  for (; a->round < ROUNDS; a->round++) {
    rth_poll_t how;
    if (a->m == NULL) a->m = letter(a->number * ROUNDS + a->round);
    how = rth_mpsc_send_poll(channel, &a->wait, &cx->waker, a->m);
    if (how == RTH_PENDING) return waits(a, cx);
    if (how == RTH_FAILED) break;
    a->m = NULL;
    (void)rth__add_rlx(&sent, 1);
    if (chance(a, 50)) {
      a->round++;
      return yields(cx);
    }
  }
  producer_end(a);
  return RTH_READY;
}

static void take(rth_msg_t *m) {
  int n = opened(m), from = n / ROUNDS;
  ASSERT_GE(n % ROUNDS, next_of[from]);
  next_of[from] = n % ROUNDS + 1;
  received++;
}

static rth_poll_t consumer_run(struct actor *a, rth_cx_t *cx) {
  rth_msg_t *m[5];
  rth_poll_t how;
  size_t n, i;
  for (;;) {
    if (chance(a, 2)) {
      how = rth_mpsc_recv_many_poll(channel, &a->wait, &cx->waker, m, 5, &n);
    } else {
      how = rth_mpsc_recv_poll(channel, &a->wait, &cx->waker, m);
      n = how == RTH_READY;
    }
    for (i = 0; i < n; i++) take(m[i]);
    if (limit > 0 && received >= limit) rth_mpsc_rx_close(channel);
    if (how == RTH_PENDING) return waits(a, cx);
    if (how == RTH_FAILED) break;
    if (chance(a, 50)) return yields(cx);
  }
  rth_mpsc_rx_free(channel);
  return RTH_READY;
}

static void mpsc_scenario(unsigned workers, uint64_t capacity, int close_at) {
  int i;
  received = 0;
  limit = close_at;
  rth__store_rlx(&sent, 0);
  memset(next_of, 0, sizeof next_of);
  ASSERT_OK(rth_mpsc_new(capacity, &channel));
  begin(workers);
  for (i = 0; i < ACTORS - 1; i++) {
    rth_mpsc_tx_clone(channel);
    spawn(producer_run, producer_end, NULL);
  }
  rth_mpsc_tx_free(channel);
  spawn(consumer_run, NULL, NULL);
  end(ACTORS / 2);
  ASSERT_EQ(received, rth__load_rlx(&sent));
  ASSERT_EQ(living_letters(), 0);
}

static void bounded(unsigned workers) { mpsc_scenario(workers, 3, 0); }
static void unbounded(unsigned workers) { mpsc_scenario(workers, 0, 0); }
static void closed(unsigned workers) { mpsc_scenario(workers, 3, 1000); }
static void closed_unbounded(unsigned workers) {
  mpsc_scenario(workers, 0, 1000);
}

TEST(a_bounded_channel_loses_no_message) { on_all(bounded); }
TEST(an_unbounded_channel_loses_no_message) { on_all(unbounded); }
TEST(a_closed_channel_drains) { on_all(closed); }
TEST(a_closed_unbounded_channel_drains) { on_all(closed_unbounded); }

/* ---- oneshot ----------------------------------------------------------- */

/* Even actors send to the odd ones, over a new oneshot in each round, which
** travels through a channel of one place. */
struct parcel {
  rth_msg_t head;
  rth_oneshot_t *o;
};
static rth_mpsc_t *streets[ACTORS];
static RTH_ATOMIC(int) delivered;

static void parcel_drop(rth_msg_t *m) {
  rth_oneshot_tx_free(((struct parcel *)(void *)m)->o);
  free(m);
}
static void asker_undo(struct actor *a) {
  if (a->m != NULL) a->m->drop(a->m);
  if (a->obj != NULL) rth_oneshot_rx_free(a->obj);
  rth_mpsc_tx_free(streets[a->number]);
}
static void new_parcel(struct actor *a) {
  struct parcel *p = malloc(sizeof *p);
  if (p == NULL) abort();
  p->head.drop = parcel_drop;
  ASSERT_OK(rth_oneshot_new(&p->o));
  a->obj = p->o;
  a->m = &p->head;
}

/* Sends its address and waits for the answer. */
static rth_poll_t asker_run(struct actor *a, rth_cx_t *cx) {
  rth_msg_t *answer;
  for (; a->round < ROUNDS; a->round++) {
    rth_poll_t how;
    if (a->obj == NULL) new_parcel(a);
    if (a->m != NULL) {
      how = rth_mpsc_send_poll(streets[a->number], &a->wait, &cx->waker, a->m);
      if (how == RTH_PENDING) return waits(a, cx);
      if (how == RTH_FAILED) break;
      a->m = NULL;
    }
    how = rth_oneshot_poll(a->obj, &a->wait, &cx->waker, &answer);
    if (how == RTH_PENDING) return waits(a, cx);
    if (how == RTH_READY) {
      ASSERT_EQ(opened(answer), a->number);
      (void)rth__sub_rlx(&delivered, 1);
    }
    rth_oneshot_rx_free(a->obj);
    a->obj = NULL;
  }
  asker_undo(a);
  return RTH_READY;
}

/* Answers, or does not, or goes. */
static rth_poll_t answerer_run(struct actor *a, rth_cx_t *cx) {
  rth_mpsc_t *street = streets[a->number - ACTORS];
  rth_msg_t *m, *answer;
  for (;;) {
    rth_poll_t how =
        rth_mpsc_recv_poll(street, &a->wait, &cx->waker, &m);
    if (how == RTH_PENDING) return waits(a, cx);
    if (how == RTH_FAILED) break;
    if (chance(a, 5)) {
      m->drop(m);
      continue;
    }
    answer = letter(a->number - ACTORS);
    (void)rth__add_rlx(&delivered, 1);
    if (rth_oneshot_send(((struct parcel *)(void *)m)->o, answer) != 0) {
      (void)rth__sub_rlx(&delivered, 1);
      answer->drop(answer);
    }
    free(m);
  }
  rth_mpsc_rx_free(street);
  return RTH_READY;
}

static void oneshot_scenario(unsigned workers) {
  int i;
  begin(workers);
  for (i = 0; i < ACTORS; i++) ASSERT_OK(rth_mpsc_new(1, &streets[i]));
  for (i = 0; i < ACTORS; i++) spawn(asker_run, asker_undo, NULL);
  for (i = 0; i < ACTORS; i++) spawn(answerer_run, NULL, NULL);
  end(ACTORS / 2);
  ASSERT_EQ(living_letters(), 0);
  /* Answers to askers that were aborted were dropped: one each at most. */
  ASSERT_GE(rth__load_rlx(&delivered), 0);
  ASSERT_LE(rth__load_rlx(&delivered), ACTORS / 2);
  rth__store_rlx(&delivered, 0);
}

TEST(answers_arrive_or_are_dropped) { on_all(oneshot_scenario); }

/* ---- mutex, rwlock ----------------------------------------------------- */

static rth_lock_t *lock;
static int guarded, writes; /* under the lock */
static RTH_ATOMIC(int) readers;

static void lock_put(struct actor *a) {
  if (a->step == 0) return;
  a->step = 0;
  if (a->k == RTH_LOCK_READ)
    (void)rth__sub_rlx(&readers, 1);
  else
    guarded--;
  rth_lock_release(lock, (rth_lock_mode_t)a->k);
}

static rth_poll_t lock_run(struct actor *a, rth_cx_t *cx) {
  for (; a->round < ROUNDS; a->round++) {
    if (a->step == 0) {
      if (!rth_wait_is_registered(&a->wait))
        a->k = a->obj != NULL && !chance(a, 4) ? RTH_LOCK_READ
                                               : RTH_LOCK_WRITE;
      if (rth_lock_poll(lock, (rth_lock_mode_t)a->k, &a->wait, &cx->waker) ==
          RTH_PENDING)
        return waits(a, cx);
      a->step = 1;
      if (a->k == RTH_LOCK_READ) {
        (void)rth__add_rlx(&readers, 1);
        ASSERT_EQ(guarded, 0);
      } else {
        ASSERT_EQ(rth__load_rlx(&readers), 0);
        ASSERT_EQ(guarded++, 0);
        ASSERT_EQ(number_of(rth_lock_get(lock)), writes);
        rth_lock_set(lock, letter(++writes));
      }
      if (chance(a, 3)) return yields(cx);
    }
    lock_put(a);
  }
  return RTH_READY;
}

static void lock_scenario(unsigned workers, int shared) {
  int i;
  writes = guarded = 0;
  ASSERT_OK(shared ? rth_rwlock_new(letter(0), &lock)
                   : rth_mutex_new(letter(0), &lock));
  begin(workers);
  for (i = 0; i < ACTORS; i++) spawn(lock_run, lock_put, shared ? lock : NULL);
  end(ACTORS / 2);
  ASSERT_OK(rth_lock_try(lock, RTH_LOCK_WRITE));
  ASSERT_EQ(number_of(rth_lock_get(lock)), writes);
  rth_lock_release(lock, RTH_LOCK_WRITE);
  rth_lock_unref(lock);
  ASSERT_EQ(living_letters(), 0);
}

static void mutex_scenario(unsigned workers) { lock_scenario(workers, 0); }
static void rwlock_scenario(unsigned workers) { lock_scenario(workers, 1); }

TEST(a_mutex_has_one_holder) { on_all(mutex_scenario); }
TEST(an_rwlock_has_one_writer_or_readers) { on_all(rwlock_scenario); }

/* ---- notify ------------------------------------------------------------ */

static rth_notify_t *notify;
static RTH_ATOMIC(int) work, to_come;

/* Adds work and notifies one, so somebody must come and do it. */
static rth_poll_t giver_run(struct actor *a, rth_cx_t *cx) {
  for (; a->round < ROUNDS; a->round++) {
    (void)rth__add_ar(&work, 1);
    rth_notify_one(notify);
    if (chance(a, 20)) rth_notify_all(notify);
    if (chance(a, 5)) {
      a->round++;
      return yields(cx);
    }
  }
  return RTH_READY;
}

static rth_poll_t doer_run(struct actor *a, rth_cx_t *cx) {
  for (;;) {
    int n = rth__swap_ar(&work, 0);
    if (rth__sub_ar(&to_come, n) == n) rth_notify_all(notify);
    if (rth__load_acq(&to_come) == 0) return RTH_READY;
    if (!rth_wait_is_registered(&a->wait)) {
      rth_notify_prepare(notify, &a->wait);
      if (rth__load_acq(&to_come) == 0) return RTH_READY;
    }
    if (rth_notify_poll(notify, &a->wait, &cx->waker) == RTH_PENDING)
      return waits(a, cx);
  }
}

static void notify_scenario(unsigned workers) {
  int i, givers = ACTORS / 4;
  ASSERT_OK(rth_notify_new(&notify));
  rth__store_rlx(&to_come, givers * ROUNDS);
  begin(workers);
  for (i = 0; i < ACTORS / 2; i++) spawn(doer_run, NULL, NULL);
  for (i = 0; i < givers; i++) spawn(giver_run, NULL, NULL);
  end(ACTORS / 2 - 1);
  ASSERT_EQ(rth__load_rlx(&work), 0);
  ASSERT_EQ(rth__load_rlx(&to_come), 0);
  rth_notify_unref(notify);
}

TEST(no_notification_is_lost) { on_all(notify_scenario); }

/* ---- barrier ----------------------------------------------------------- */

enum { PARTIES = 7 };
static rth_barrier_t *barrier;
static RTH_ATOMIC(int) leaders, arrived[ROUNDS];

static rth_poll_t party_run(struct actor *a, rth_cx_t *cx) {
  for (; a->round < ROUNDS; a->round++) {
    int leader;
    if (a->step == 0) (void)rth__add_ar(&arrived[a->round], 1);
    a->step = 1;
    if (rth_barrier_poll(barrier, &a->wait, &cx->waker, &leader) ==
        RTH_PENDING)
      return chance(a, 4) ? yields(cx) : RTH_PENDING;
    a->step = 0;
    ASSERT_EQ(rth__load_acq(&arrived[a->round]), PARTIES);
    (void)rth__add_rlx(&leaders, leader);
  }
  return RTH_READY;
}

static void barrier_scenario(unsigned workers) {
  int i;
  for (i = 0; i < ROUNDS; i++) rth__store_rlx(&arrived[i], 0);
  rth__store_rlx(&leaders, 0);
  ASSERT_OK(rth_barrier_new(PARTIES, &barrier));
  begin(workers);
  for (i = 0; i < PARTIES; i++) spawn(party_run, NULL, NULL);
  end(0);
  ASSERT_EQ(rth__load_rlx(&leaders), ROUNDS);
  rth_barrier_unref(barrier);
}

/* Who gives up when the round has just ended cannot know it, and would come
** once too often: so here nobody gives up. */
TEST(a_barrier_opens_once_a_round) { on_all(barrier_scenario); }

/* ---- broadcast, watch -------------------------------------------------- */

static rth_broadcast_t *radio;

static void listener_end(struct actor *a) { rth_broadcast_rx_free(a->obj); }

static rth_poll_t listener_run(struct actor *a, rth_cx_t *cx) {
  rth_msg_t *m;
  uint64_t missed;
  rth_poll_t how;
  while ((how = rth_broadcast_poll(a->obj, &a->wait, &cx->waker, &m,
                                   &missed)) == RTH_READY) {
    if (m != NULL) ASSERT_EQ(number_of(m), a->round);
    a->round += m != NULL ? 1 : (int)missed;
    rth_msg_unref(m);
    if (chance(a, 20)) return yields(cx);
  }
  if (how == RTH_PENDING) return waits(a, cx);
  ASSERT_EQ(a->round, 4 * ROUNDS);
  listener_end(a);
  return RTH_READY;
}

static rth_poll_t speaker_run(struct actor *a, rth_cx_t *cx) {
  uint64_t n;
  for (; a->round < 4 * ROUNDS; a->round++) {
    if (a->step == 0)
      ASSERT_OK(rth_broadcast_send(radio, letter(a->round), &n));
    a->step = !a->step && chance(a, 10);
    if (a->step) return yields(cx);
  }
  rth_broadcast_tx_free(radio);
  return RTH_READY;
}

static void broadcast_scenario(unsigned workers) {
  rth_broadcast_rx_t *rx;
  int i;
  ASSERT_OK(rth_broadcast_new(8, &radio, &rx));
  begin(workers);
  for (i = 0; i < ACTORS; i++) {
    spawn(listener_run, listener_end, rx);
    if (i < ACTORS - 1) ASSERT_OK(rth_broadcast_subscribe(radio, &rx));
  }
  spawn(speaker_run, NULL, NULL);
  end(ACTORS / 2);
  ASSERT_EQ(living_letters(), 0);
}

TEST(a_broadcast_reaches_all_or_says_what_they_missed) {
  on_all(broadcast_scenario);
}

static rth_watch_t *config;

static void watcher_end(struct actor *a) {
  (void)a;
  rth_watch_rx_free(config);
}

static rth_poll_t watcher_run(struct actor *a, rth_cx_t *cx) {
  rth_poll_t how;
  while ((how = rth_watch_changed_poll(config, &a->seen, &a->wait,
                                       &cx->waker)) == RTH_READY) {
    rth_msg_t *m = rth_watch_borrow(config, &a->seen);
    ASSERT_GE(number_of(m), a->round);
    a->round = number_of(m);
    rth_msg_unref(m);
  }
  if (how == RTH_PENDING) return waits(a, cx);
  ASSERT_EQ(a->round, 4 * ROUNDS);
  watcher_end(a);
  return RTH_READY;
}

static rth_poll_t setter_run(struct actor *a, rth_cx_t *cx) {
  while (a->round < 4 * ROUNDS) {
    rth_watch_replace(config, letter(++a->round));
    if (chance(a, 10)) return yields(cx);
  }
  rth_watch_tx_free(config);
  return RTH_READY;
}

static void watch_scenario(unsigned workers) {
  rth_watch_seen_t seen;
  int i;
  ASSERT_OK(rth_watch_new(letter(0), &config, &seen));
  begin(workers);
  for (i = 0; i < ACTORS; i++) {
    rth_watch_rx_clone(config);
    spawn(watcher_run, watcher_end, NULL);
  }
  rth_watch_rx_free(config);
  spawn(setter_run, NULL, NULL);
  end(ACTORS / 2);
  ASSERT_EQ(living_letters(), 0);
}

TEST(the_last_value_of_a_watch_is_seen_by_all) { on_all(watch_scenario); }

/* ---- once cell --------------------------------------------------------- */

static rth_once_t *once;
static RTH_ATOMIC(int) made;

static void maker_undo(struct actor *a) {
  if (a->step == 1) rth_once_finish(once, NULL);
}

static rth_poll_t maker_run(struct actor *a, rth_cx_t *cx) {
  rth_msg_t *value = NULL;
  for (;;) {
    if (a->step == 0) {
      if (rth_once_poll(once, &a->wait, &cx->waker, &value) == RTH_PENDING)
        return waits(a, cx);
      if (value != NULL) break;
      a->step = 1;
      return yields(cx);
    }
    a->step = 0;
    if (!chance(a, 8)) {
      rth_once_finish(once, NULL);
    } else {
      (void)rth__add_rlx(&made, 1);
      rth_once_finish(once, letter(a->number));
    }
  }
  ASSERT_PTR_EQ(value, rth_once_get(once));
  return RTH_READY;
}

static void once_scenario(unsigned workers) {
  int i, k;
  for (k = 0; k < 20; k++) {
    rth__store_rlx(&made, 0);
    ASSERT_OK(rth_once_new(&once));
    begin(workers);
    for (i = 0; i < ACTORS; i++) spawn(maker_run, maker_undo, NULL);
    end(ACTORS / 2);
    ASSERT_EQ(rth__load_rlx(&made), 1);
    rth_once_unref(once);
    ASSERT_EQ(living_letters(), 0);
  }
}

TEST(a_cell_is_made_once) { on_all(once_scenario); }

/* ---- tokens ------------------------------------------------------------ */

static rth_token_t *root;

static void branch_end(struct actor *a) { rth_token_unref(a->obj); }

/* Grows downwards, and waits for the end of the world. */
static rth_poll_t branch_run(struct actor *a, rth_cx_t *cx) {
  rth_token_t *child;
  if (!rth_wait_is_registered(&a->wait) && a->round++ < ROUNDS) {
    ASSERT_OK(rth_token_child(a->obj, &child));
    rth_token_unref(a->obj);
    a->obj = child;
  }
  if (rth_token_poll(a->obj, &a->wait, &cx->waker) == RTH_PENDING)
    return waits(a, cx);
  branch_end(a);
  return RTH_READY;
}

static rth_poll_t canceller_run(struct actor *a, rth_cx_t *cx) {
  if (a->round++ < ROUNDS) return yields(cx);
  rth_token_cancel(root);
  return RTH_READY;
}

static void token_scenario(unsigned workers) {
  int i;
  ASSERT_OK(rth_token_new(&root));
  begin(workers);
  for (i = 0; i < ACTORS; i++)
    spawn(branch_run, branch_end, rth_token_ref(root));
  spawn(canceller_run, NULL, NULL);
  end(ACTORS / 2);
  rth_token_unref(root);
}

TEST(a_cancelled_tree_wakes_all_its_branches) { on_all(token_scenario); }
