/* fault_test - the places where a test makes the system refuse. */
#include "base/fault.h"

#include "harness.h"

TEST(nothing_fails_unless_told) {
  ASSERT(!rth__fault(RTH_FAULT_THREAD));
  ASSERT(!rth__fault(RTH_FAULT_WAKE_FD));
}

TEST(one_failure_is_one_failure) {
  rth__fault_set(RTH_FAULT_THREAD, 0, 1);
  ASSERT(rth__fault(RTH_FAULT_THREAD));
  ASSERT(!rth__fault(RTH_FAULT_THREAD));
  ASSERT(!rth__fault(RTH_FAULT_THREAD));
}

TEST(calls_before_the_failure_pass) {
  rth__fault_set(RTH_FAULT_THREAD, 2, 2);
  ASSERT(!rth__fault(RTH_FAULT_THREAD));
  ASSERT(!rth__fault(RTH_FAULT_THREAD));
  ASSERT(rth__fault(RTH_FAULT_THREAD));
  ASSERT(rth__fault(RTH_FAULT_THREAD));
  ASSERT(!rth__fault(RTH_FAULT_THREAD));
}

TEST(minus_one_fails_until_it_is_taken_back) {
  int i;
  rth__fault_set(RTH_FAULT_THREAD, 1, -1);
  ASSERT(!rth__fault(RTH_FAULT_THREAD));
  for (i = 0; i < 1000; i++) ASSERT(rth__fault(RTH_FAULT_THREAD));
  rth__fault_set(RTH_FAULT_THREAD, 0, 0);
  ASSERT(!rth__fault(RTH_FAULT_THREAD));
}

TEST(one_place_does_not_fail_for_another) {
  rth__fault_set(RTH_FAULT_WAKE_FD, 0, -1);
  ASSERT(!rth__fault(RTH_FAULT_THREAD));
  ASSERT(rth__fault(RTH_FAULT_WAKE_FD));
}
