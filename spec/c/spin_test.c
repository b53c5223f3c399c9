/* spin_test - a short look before a sleep. */
#include "driver/park.h"

#include "futures.h"

static rth__parker_t *opened(rth__parker_t *p) {
  rth__parker_init(p);
  ASSERT_OK(rth__parker_open(p));
  return p;
}

/* Spins n times for nothing. */
static void in_vain(rth__parker_t *p, int n) {
  while (n-- > 0) ASSERT_EQ(rth__parker_spin(p, RTH_FOREVER), 0);
}

TEST(spinning_sees_a_wake_up_and_leaves_it_to_the_sleep) {
  rth__parker_t p;
  rth__unpark(opened(&p));
  ASSERT_EQ(rth__parker_spin(&p, RTH_FOREVER), 1);
  rth__parker_park(&p, RTH_FOREVER, NULL); /* at once */
  ASSERT_EQ(rth__parker_spin(&p, RTH_FOREVER), 0);
  rth__parker_close(&p);
}

TEST(spinning_sees_what_comes_to_a_descriptor) {
  rth__parker_t p;
  int fd[2], i;
  ASSERT_EQ(pipe(fd), 0);
  for (i = 0; i < 2; i++) {
    opened(&p)->io[i] = fd[0];
    if (i == 0) in_vain(&p, 1);
    p.luck = 1;
    ASSERT_EQ(write(fd[1], "x", 1), 1);
    ASSERT_EQ(rth__parker_spin(&p, RTH_FOREVER), 1);
    rth__parker_close(&p);
  }
  close(fd[0]);
  close(fd[1]);
}

TEST(spinning_ends_at_the_deadline_and_soon_without) {
  rth__parker_t p;
  opened(&p);
  ASSERT_EQ(rth__parker_spin(&p, 0), 0);
  p.luck = 1;
  in_vain(&p, 1);
  rth__parker_close(&p);
}

TEST(who_spins_in_vain_ceases_and_tries_once_in_64_sleeps) {
  rth__parker_t p;
  int i, seen = 0;
  opened(&p);
  in_vain(&p, 1);
  rth__unpark(&p); /* there to be seen, by those that look */
  for (i = 0; i < 64; i++) seen += rth__parker_spin(&p, RTH_FOREVER);
  ASSERT_EQ(seen, 1);
  rth__parker_close(&p);
}

TEST(luck_outlasts_a_few_failures) {
  rth__parker_t p;
  int i;
  rth__unpark(opened(&p));
  for (i = 0; i < 100; i++) ASSERT_EQ(rth__parker_spin(&p, RTH_FOREVER), 1);
  rth__parker_clear(&p);
  in_vain(&p, 3);
  rth__unpark(&p);
  ASSERT_EQ(rth__parker_spin(&p, RTH_FOREVER), 1);
  rth__parker_clear(&p);
  in_vain(&p, 2);
  rth__unpark(&p);
  ASSERT_EQ(rth__parker_spin(&p, RTH_FOREVER), 0); /* it ran out */
  rth__parker_close(&p);
}
