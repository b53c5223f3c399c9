/* model_atomic.h - the operations of base/atomic.h as scheduling points of
** the model checker.  Included by base/atomic.h under RTH_MODEL. */
#ifndef MODEL_ATOMIC_H
#define MODEL_ATOMIC_H

#include "mc.h"

#define RTH_ATOMIC(type) __typeof__(type)

#define MC__DO(k, o, p, v)                                                 \
  ((__typeof__(*(p)))mc_atomic(                                            \
      (mc_op_t){.func = __func__,                                          \
                .kind = MC_##k,                                            \
                .order = MC_##o,                                           \
                .addr = (void *)(uintptr_t)(p),                            \
                .size = sizeof *(p),                                       \
                .value = (uint64_t)(v)},                                   \
      NULL))

#define MC__CAS(o, w, p, e, d)                                             \
  __extension__({                                                          \
    int mc_ok;                                                             \
    *(e) = (__typeof__(*(e)))mc_atomic(                                    \
        (mc_op_t){.func = __func__,                                        \
                  .kind = MC_CAS,                                          \
                  .order = MC_##o,                                         \
                  .weak = w,                                               \
                  .addr = (void *)(uintptr_t)(p),                          \
                  .size = sizeof *(p),                                     \
                  .value = (uint64_t)(d),                                  \
                  .expected = (uint64_t)*(e)},                             \
        &mc_ok);                                                           \
    mc_ok;                                                                 \
  })

#define rth__init(p, v) ((void)(*(p) = (v)))
#define rth__load_rlx(p) MC__DO(LOAD, RLX, p, 0)
#define rth__load_acq(p) MC__DO(LOAD, ACQ, p, 0)
#define rth__load_sc(p) MC__DO(LOAD, SC, p, 0)
#define rth__store_rlx(p, v) ((void)MC__DO(STORE, RLX, p, v))
#define rth__store_rel(p, v) ((void)MC__DO(STORE, REL, p, v))
#define rth__swap_ar(p, v) MC__DO(SWAP, AR, p, v)
#define rth__swap_sc(p, v) MC__DO(SWAP, SC, p, v)
#define rth__add_rlx(p, v) MC__DO(ADD, RLX, p, v)
#define rth__add_ar(p, v) MC__DO(ADD, AR, p, v)
#define rth__add_sc(p, v) MC__DO(ADD, SC, p, v)
#define rth__sub_rlx(p, v) MC__DO(SUB, RLX, p, v)
#define rth__sub_ar(p, v) MC__DO(SUB, AR, p, v)
#define rth__sub_sc(p, v) MC__DO(SUB, SC, p, v)
#define rth__or_ar(p, v) MC__DO(OR, AR, p, v)
#define rth__and_ar(p, v) MC__DO(AND, AR, p, v)
#define rth__cas_ar(p, e, d) MC__CAS(AR, 0, p, e, d)
#define rth__cas_weak_ar(p, e, d) MC__CAS(AR, 1, p, e, d)
#define rth__cas_sc(p, e, d) MC__CAS(SC, 0, p, e, d)

#define rth__bump(p) rth__store_rlx((p), rth__load_rlx(p) + 1)

#endif
