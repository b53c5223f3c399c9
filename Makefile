# make            the Lua module (build/rthandle/core.so) and the static
#                 library of the C core (build/librthandle.a)
# make demo       counts the words of the texts under /usr/share
# make test       all tests; `make ctest`, `make spec` one half; with ONLY=word
#                 those whose file name has it
# make asan tsan  the same under the sanitizers
# make stress     long runs; STRESS=1 for much longer ones
# make bench      against other libraries; BENCH_ARGS='-n 3 spawn'
# make lint rock rockspec clean
# make install    PREFIX=/usr/local, DESTDIR
#
# demo, test, lint, asan, tsan, stress, bench and rock install what is missing
# (scripts/deps.sh).  A variant builds into its own folder build/<variant>/.

CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
DEMO_ARGS ?=
BENCH_ARGS ?=
VARIANT ?=
B := build$(VARIANT:%=/%)

LUA := $(or $(LUA),$(shell \
  for l in lua5.4 lua54 lua-5.4 lua; do command -v $$l && break; done))
LUA_PC := $(shell for p in lua5.4 lua54 lua-5.4 lua; do \
  pkg-config --exists "$$p >= 5.4 $$p < 5.5" 2>&- && echo $$p && break; done)
LUA_CFLAGS ?= $(shell pkg-config --cflags $(LUA_PC) 2>&-)
LUA_LIBS ?= $(shell pkg-config --libs $(LUA_PC) 2>&-)
UV_CFLAGS ?= $(shell pkg-config --cflags libuv 2>&-)
UV_LIBS ?= $(or $(shell pkg-config --libs libuv 2>&-),-luv)

ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell getconf _NPROCESSORS_ONLN)
LUA_PATH_5_4 := $(or $(LUA_PATH_5_4),$(LUA_PATH),;)
LUA_CPATH_5_4 := $(or $(LUA_CPATH_5_4),$(LUA_CPATH),;)
endif
MAKEFLAGS += --no-print-directory --no-builtin-rules
export CC LUA
export LUA_PATH_5_4 := $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$(LUA_PATH_5_4)
export LUA_CPATH_5_4 := $(CURDIR)/$(B)/?.so;$(LUA_CPATH_5_4)

# ---- what there is: new files need no line here ----------------------------

CORE_C := $(filter-out csrc/lua/%,$(wildcard csrc/*/*.c))
LUA_C := $(wildcard csrc/lua/*.c)
LUA_FILES := $(wildcard lua/*.lua lua/*/*.lua lua/*/*/*.lua)
only = $(foreach f,$1,$(if $(ONLY),$(if $(findstring $(ONLY),$f),$f),$f))
CTESTS := $(call only,$(wildcard spec/c/*_test.c))
MODELS := $(call only,$(wildcard spec/model/*_model.c))
ifeq ($(VARIANT),tsan)
MODELS := # one thread, many contexts: nothing to race
endif
EXAMPLES_C := $(call only,$(wildcard examples/c/*.c))
STRESSES := $(call only,$(wildcard spec/stress/*.c))
SPECS := $(call only,$(wildcard spec/*_spec.lua spec/*/*_spec.lua))

CORE_O := $(CORE_C:%.c=$(B)/obj/%.o)
LUA_O := $(LUA_C:%.c=$(B)/obj/%.o)
LIB := $(B)/librthandle.a
MODULE := $(B)/rthandle/core.so
# Tests of csrc/lua are host programs: they link its objects and liblua.
LUA_CTESTS := $(filter spec/c/lua_% spec/c/move%,$(CTESTS))
HOSTS := $(LUA_CTESTS:%.c=$(B)/%)
PROGRAMS := $(patsubst %.c,$(B)/%,$(filter-out $(LUA_CTESTS),$(CTESTS)) \
  $(STRESSES) $(EXAMPLES_C))
MODEL_PROGRAMS := $(MODELS:%.c=$(B)/%)
# Models have one thread: nothing for the thread sanitizer.
CTEST_PROGRAMS := $(patsubst %.c,$(B)/%,$(CTESTS) $(EXAMPLES_C) \
  $(if $(filter tsan,$(VARIANT)),,$(MODELS)))

# ---- how it is compiled -----------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
  -Wmissing-prototypes
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=all \
  -fno-omit-frame-pointer -DRTH_DEBUG
SANITIZE_tsan := -fsanitize=thread -fno-omit-frame-pointer -DRTH_DEBUG
SANITIZE := $(SANITIZE_$(VARIANT))
# Lua leaves the binding's functions by longjmp.  The thread sanitizer would
# take each for entered still, and keep ever deeper stacks for each allocation.
ifeq ($(VARIANT),tsan)
LUA_FLAGS := $(shell echo | $(CC) --param=tsan-instrument-func-entry-exit=0 \
  -E - >/dev/null 2>&1 && echo --param=tsan-instrument-func-entry-exit=0 || \
  echo -mllvm -tsan-instrument-func-entry-exit=0)
endif
COMPILE = $(CC) -std=gnu11 -fPIC -fvisibility=hidden -pthread -MMD -MP $(WARN) \
  -Icsrc/include -Icsrc $(UV_CFLAGS) $(FLAGS) $(CPPFLAGS) $(CFLAGS) $(SANITIZE)
LINK = $(CC) -pthread $(CFLAGS) $(SANITIZE) $(LDFLAGS)
# lua_close must not unload code that worker threads still run.
SHARED := -shared -Wl,-z,nodelete
ifeq ($(shell uname),Darwin)
SHARED := -bundle -undefined dynamic_lookup
endif

# A target that installs something does the rest in a second make: this one has
# looked for Lua and libuv before.
.PHONY: all demo test ctest spec asan tsan stress bench lint rock rockspec \
  install clean check check-ctest check-spec check-stress run-demo run-bench
all: $(MODULE) $(LIB)

$(B)/obj/csrc/lua/%.o: FLAGS = $(LUA_CFLAGS) $(LUA_FLAGS)
$(B)/obj/spec/c/%.o: FLAGS = $(LUA_CFLAGS)
$(B)/obj/spec/model/%.o: FLAGS = -DRTH_MODEL -Ispec/model

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$(LIB): $(CORE_O)
	@rm -f $@
	$(AR) rcs $@ $^

$(MODULE): $(CORE_O) $(LUA_O)
	@mkdir -p $(@D)
	$(LINK) $(SHARED) -o $@ $^ $(UV_LIBS)

$(PROGRAMS): $(B)/%: $(B)/obj/%.o $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(UV_LIBS)

$(HOSTS): $(B)/%: $(B)/obj/%.o $(LUA_O) $(LIB)
	@mkdir -p $(@D)
	$(LINK) -rdynamic -o $@ $^ $(LUA_LIBS) $(UV_LIBS)

# They fail allocations, those of the C library too.
$(B)/spec/c/lua_faults_%: LDFLAGS += \
  $(foreach f,malloc calloc realloc,-Wl,--wrap=$f)

# A model compiles the sources that it checks itself, over its own atomics.
MODEL_O := $(patsubst %.c,$(B)/obj/%.o,\
  $(filter-out %_model.c,$(wildcard spec/model/*.c)))
$(MODEL_PROGRAMS): $(B)/%: $(B)/obj/%.o $(MODEL_O)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>&-)

# ---- what it is built for ---------------------------------------------------

demo:
	@scripts/deps.sh demo
	@[ -e $(MODULE) ] || echo building
	@$(MAKE) -s run-demo
run-demo: all
	@$(LUA) examples/wordcount.lua $(DEMO_ARGS)

test:
	@scripts/deps.sh test
	@$(MAKE) -s check
ctest spec:
	@scripts/deps.sh test
	@$(MAKE) -s check-$@
asan tsan:
	@scripts/deps.sh test
	@$(MAKE) -s check VARIANT=$@
stress:
	@scripts/deps.sh test
	@$(MAKE) -s check-stress

CHECK = @scripts/check.sh $(B)
check: all $(CTEST_PROGRAMS)
	$(CHECK) $(CTEST_PROGRAMS) $(SPECS)
check-ctest: all $(CTEST_PROGRAMS)
	$(CHECK) $(CTEST_PROGRAMS)
check-spec: all
	$(CHECK) $(SPECS)
check-stress: all $(STRESSES:%.c=$(B)/%)
	$(CHECK) $(STRESSES:%.c=$(B)/%) $(call only,$(wildcard spec/stress/*.lua))

bench:
	@scripts/deps.sh bench
	@$(MAKE) -s run-bench
run-bench: all
	@$(LUA) bench/run $(BENCH_ARGS)

lint:
	@scripts/deps.sh lint
	@scripts/lint.sh

rock:
	@scripts/deps.sh rock
	@scripts/rock.sh
rockspec: # writes the lists of files in the rockspec anew
	@$(LUA) scripts/rockspec.lua

LUA_SHARE := $(DESTDIR)$(PREFIX)/share/lua/5.4
install: all
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/lua/5.4/rthandle
	install -m 644 csrc/include/*.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(LIB) $(DESTDIR)$(PREFIX)/lib
	install $(MODULE) $(DESTDIR)$(PREFIX)/lib/lua/5.4/rthandle
	for f in $(LUA_FILES:lua/%=%); do \
	  install -d $$(dirname $(LUA_SHARE)/$$f) && \
	  install -m 644 lua/$$f $(LUA_SHARE)/$$f || exit; done

clean:
	rm -rf build
