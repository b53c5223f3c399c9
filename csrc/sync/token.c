/* token - cancellation of a tree of tasks.
**
** WHY      all tokens of one tree share one lock: a cancel marks its subtree
**          under it and nothing is ever locked twice.  It is held for a few
**          steps a token; whether one is cancelled is read without it.
** THREADS  any.
** OWNS     each token has a reference to the lock of its tree.  Nobody owns a
**          token but its holders: one that goes leaves its children to its
**          parent, so a chain of tokens does not keep its dead links.
** INVARIANT  under the lock: a token is in the list of its parent, if it has
**          one, and is cancelled if its parent is.
** SYNC
**   [Y10] what was done before a cancel   cancel: store-rel ->
**                                         is_cancelled: load-acq
*/
#include "base/mem.h"
#include "sync/refs.h"
#include "sync/wait.h"

typedef struct tree {
  rth__mutex_t lock;
  rth__refs_t refs;
} tree_t;

struct rth_token {
  tree_t *tree;                         /* r/o after init */
  rth_token_t *parent, *child;          /* under lock; the first child */
  rth_token_t *sibling, **sibling_link; /* under lock; what points here */
  rth__waits_t waits;                   /* under lock */
  RTH_ATOMIC(uint32_t) cancelled;       /* written under lock */
  rth__refs_t refs;
};

static void tree_unref(tree_t *t) {
  if (!rth__unref(&t->refs)) return;
  rth__mutex_destroy(&t->lock);
  rth__free(t);
}

/* Consumes the reference to the tree on success. */
static int token_new(tree_t *tree, rth_token_t **out) {
  rth_token_t *t = rth__zalloc(sizeof *t);
  if (t == NULL) return RTH_ENOMEM;
  t->tree = tree;
  rth__waits_init(&t->waits);
  rth__init(&t->cancelled, 0);
  rth__init(&t->refs, 1);
  *out = t;
  return 0;
}

int rth_token_new(rth_token_t **out) {
  int err;
  tree_t *tree = rth__zalloc(sizeof *tree);
  if (tree == NULL) return RTH_ENOMEM;
  rth__mutex_init(&tree->lock, RTH_RANK_SYNC);
  rth__init(&tree->refs, 1);
  err = token_new(tree, out);
  if (err != 0) tree_unref(tree);
  return err;
}

rth_token_t *rth_token_ref(rth_token_t *t) {
  rth__ref(&t->refs);
  return t;
}

/* ---- the tree: under the lock ------------------------------------------ */

static void link_child(rth_token_t *parent, rth_token_t *t) {
  t->parent = parent;
  t->sibling = parent->child;
  t->sibling_link = &parent->child;
  if (t->sibling != NULL) t->sibling->sibling_link = &t->sibling;
  parent->child = t;
}

static void unlink_child(rth_token_t *t) {
  if (t->parent == NULL) return;
  *t->sibling_link = t->sibling;
  if (t->sibling != NULL) t->sibling->sibling_link = t->sibling_link;
  t->parent = NULL;
}

static void leave_children_to_parent(rth_token_t *t) {
  rth_token_t *c;
  while ((c = t->child) != NULL) {
    unlink_child(c);
    if (t->parent != NULL) link_child(t->parent, c);
  }
}

/* The token after t, parents first, below `top`; NULL: that was the last. */
static rth_token_t *next_in_subtree(rth_token_t *t, const rth_token_t *top) {
  if (t->child != NULL) return t->child;
  while (t != top && t->sibling == NULL) t = t->parent;
  return t == top ? NULL : t->sibling;
}

int rth_token_child(rth_token_t *parent, rth_token_t **out) {
  tree_t *tree = parent->tree;
  int err = token_new(tree, out);
  if (err != 0) return err;
  rth__ref(&tree->refs);
  rth__mutex_lock(&tree->lock);
  link_child(parent, *out);
  /* [Y10] */
  rth__store_rel(&(*out)->cancelled, rth__load_rlx(&parent->cancelled));
  rth__mutex_unlock(&tree->lock);
  return 0;
}

void rth_token_unref(rth_token_t *t) {
  tree_t *tree = t->tree;
  if (!rth__unref(&t->refs)) return;
  RTH_CHECK(rth__waits_empty(&t->waits));
  rth__mutex_lock(&tree->lock);
  leave_children_to_parent(t);
  unlink_child(t);
  rth__mutex_unlock(&tree->lock);
  rth__free(t);
  tree_unref(tree);
}

/* ---- cancelling -------------------------------------------------------- */

int rth_token_is_cancelled(rth_token_t *t) {
  return rth__load_acq(&t->cancelled) != 0; /* [Y10] */
}

void rth_token_cancel(rth_token_t *t) {
  rth_token_t *c;
  rth__waits_t all;
  rth__waits_init(&all);
  rth__mutex_lock(&t->tree->lock);
  c = rth_token_is_cancelled(t) ? NULL : t; /* then its subtree is, too */
  for (; c != NULL; c = next_in_subtree(c, t)) {
    rth__store_rel(&c->cancelled, 1); /* [Y10] */
    rth__waits_move(&all, &c->waits);
  }
  rth__waits_wake(&all, &t->tree->lock);
}

static void cancel_wait(rth_wait_t *w) {
  rth__wait_leave(w, &((rth_token_t *)w->obj)->tree->lock);
}

rth_poll_t rth_token_poll(rth_token_t *t, rth_wait_t *w,
                          const rth_waker_t *waker) {
  rth_poll_t how = RTH_PENDING;
  rth_waker_t old = {NULL, NULL};
  if (w->cancel == NULL && rth_token_is_cancelled(t)) return RTH_READY;
  rth__mutex_lock(&t->tree->lock);
  if (rth_token_is_cancelled(t)) {
    how = RTH_READY;
    if (w->cancel != NULL) old = rth__wait_end(w);
  } else {
    old = rth__wait_queue(w, &t->waits, t, cancel_wait, waker);
  }
  rth__mutex_unlock(&t->tree->lock);
  rth_waker_drop(&old);
  return how;
}
