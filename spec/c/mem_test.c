/* mem_test - the one seam of the core's memory. */
#include "base/mem.h"

#include "harness.h"

static void *refuse(void *old, size_t size) {
  (void)old;
  (void)size;
  return NULL;
}

TEST(live_allocations_are_counted) {
  void *a = rth__alloc(10), *b = rth__zalloc(10);
  ASSERT_EQ(rth_live_allocations(), 2);
  rth__free(a);
  rth__free(b);
  rth__free(NULL);
  ASSERT_EQ(rth_live_allocations(), 0);
}

TEST(a_refused_allocation_answers_null_and_is_not_counted) {
  rth_set_allocator(refuse);
  ASSERT_PTR_EQ(rth__alloc(1), NULL);
  ASSERT_PTR_EQ(rth__zalloc(1), NULL);
  ASSERT_PTR_EQ(rth__array(1, 1), NULL);
  ASSERT_PTR_EQ(rth__zalloc_aligned(1, 64), NULL);
  ASSERT_PTR_EQ(rth__strdup("x"), NULL);
  ASSERT_EQ(rth_live_allocations(), 0);
}

TEST(without_an_allocator_the_systems_is_used) {
  void *p;
  rth_set_allocator(refuse);
  rth_set_allocator(NULL);
  p = rth__alloc(1);
  ASSERT(p != NULL);
  rth__free(p);
}

TEST(arrays_are_cleared) {
  unsigned char *p = rth__array(100, 3);
  unsigned i;
  for (i = 0; i < 300; i++) ASSERT_EQ(p[i], 0);
  rth__free(p);
}

TEST(an_array_whose_size_overflows_is_refused) {
  ASSERT_PTR_EQ(rth__array(SIZE_MAX / 2, 3), NULL);
  ASSERT_PTR_EQ(rth__array(3, SIZE_MAX / 2), NULL);
}

TEST(aligned_blocks_are_aligned_cleared_and_freed) {
  size_t align, i;
  for (align = 16; align <= 256; align *= 2) {
    unsigned char *p = rth__zalloc_aligned(100, align);
    ASSERT_EQ((uintptr_t)p % align, 0);
    for (i = 0; i < 100; i++) ASSERT_EQ(p[i], 0);
    memset(p, 0xff, 100);
    rth__free_aligned(p);
  }
  rth__free_aligned(NULL);
}

TEST(a_string_is_copied_with_its_end) {
  char *s = rth__strdup("abc");
  ASSERT_STR_EQ(s, "abc");
  ASSERT_PTR_EQ(rth__strdup(NULL), NULL);
  rth__free(s);
}
