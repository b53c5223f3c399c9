/* atomic.h - atomic operations with their order in the name.
**
** WHY      an order that stands in the name cannot be forgotten or defaulted,
**          and a checker can find every one.  There are no fences: the
**          sanitizers do not model them.
**
**   load_rlx load_acq load_sc    store_rlx store_rel
**   swap_ar swap_sc              add_rlx add_ar add_sc sub_rlx sub_ar sub_sc
**   cas_ar cas_sc (strong)       cas_weak_ar (may fail for nothing)
**   or_ar and_ar
**
** rlx relaxed, acq acquire, rel release, ar acquire-release (acquire on a
** failed cas), sc sequentially consistent.  All read-modify-writes answer the
** value before; cas answers whether it was done and leaves what it saw in *e.
**
** With RTH_MODEL the operations come from the model checker in spec/model,
** which runs the same sources over all interleavings.
*/
#ifndef RTH_ATOMIC_H
#define RTH_ATOMIC_H

#include "base/compiler.h"

#if defined(RTH_MODEL)
#include "model_atomic.h"
#else

#include <stdatomic.h>

#define RTH_ATOMIC(type) _Atomic(type)

#define rth__init(p, v) atomic_init((p), (v))
#define rth__load_rlx(p) atomic_load_explicit((p), memory_order_relaxed)
#define rth__load_acq(p) atomic_load_explicit((p), memory_order_acquire)
#define rth__load_sc(p) atomic_load_explicit((p), memory_order_seq_cst)
#define rth__store_rlx(p, v) \
  atomic_store_explicit((p), (v), memory_order_relaxed)
#define rth__store_rel(p, v) \
  atomic_store_explicit((p), (v), memory_order_release)
#define rth__swap_ar(p, v) \
  atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define rth__swap_sc(p, v) \
  atomic_exchange_explicit((p), (v), memory_order_seq_cst)
#define rth__add_rlx(p, v) \
  atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define rth__add_ar(p, v) \
  atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define rth__add_sc(p, v) \
  atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define rth__sub_rlx(p, v) \
  atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define rth__sub_ar(p, v) \
  atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define rth__sub_sc(p, v) \
  atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define rth__or_ar(p, v) \
  atomic_fetch_or_explicit((p), (v), memory_order_acq_rel)
#define rth__and_ar(p, v) \
  atomic_fetch_and_explicit((p), (v), memory_order_acq_rel)
#define rth__cas_ar(p, e, d)                                               \
  atomic_compare_exchange_strong_explicit((p), (e), (d),                   \
                                          memory_order_acq_rel,            \
                                          memory_order_acquire)
#define rth__cas_weak_ar(p, e, d)                                          \
  atomic_compare_exchange_weak_explicit((p), (e), (d), memory_order_acq_rel, \
                                        memory_order_acquire)
#define rth__cas_sc(p, e, d)                                               \
  atomic_compare_exchange_strong_explicit((p), (e), (d),                   \
                                          memory_order_seq_cst,            \
                                          memory_order_seq_cst)

/* A counter that one thread writes and others read now and then. */
#define rth__bump(p) rth__store_rlx((p), rth__load_rlx(p) + 1)

#endif
#endif
