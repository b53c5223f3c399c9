---@meta _
-- luacheck: ignore 211 212 241 631 (it declares, and never runs)
-- Annotations for the Lua language server: rt.sync, the channels and locks.

---A sender of mpsc or unbounded. Shared: it may be moved and cloned.
---@class rthandle.Sender
local Sender = {}

---Waits for a place. true; or nil, "closed".
---@async
---@param value any not nil
---@return true?
---@return "closed"? why
function Sender:send(value) end

---true; or nil, "full" or "closed".
---@param value any not nil
---@return true?
---@return ("full"|"closed")? why
function Sender:try_send(value) end

---One more sender.
---@return rthandle.Sender
function Sender:clone() end

---No more from this one; the last one closes the channel.
function Sender:close() end

---Whether nobody will receive.
---@return boolean
function Sender:is_closed() end

---The receiver of mpsc or unbounded. It is moved.
---@class rthandle.Receiver: rthandle.Awaitable
---@operator len: integer
local Receiver = {}

---The next value; or nil, "closed".
---@async
---@return any? value
---@return "closed"? why
function Receiver:recv() end

---As recv.
---@async
---@return any? value
---@return "closed"? why
function Receiver:await() end

---A value; or nil, "empty" or "closed".
---@return any? value
---@return ("empty"|"closed")? why
function Receiver:try_recv() end

---A list of the values that are there, at least one; or nil, "closed".
---@async
---@param limit integer
---@return any[]? values
---@return "closed"? why
function Receiver:recv_many(limit) end

---For `for value in rx:iter() do`.
---@return fun(rx: rthandle.Receiver): any
---@return rthandle.Receiver
function Receiver:iter() end

---Sends fail from here on; what was sent still comes.
function Receiver:close() end

---Sends one value, once. It is moved.
---@class rthandle.OneshotSender
local OneshotSender = {}

---true; or nil, "closed".
---@param value any not nil
---@return true?
---@return "closed"? why
function OneshotSender:send(value) end

---The value never comes.
function OneshotSender:close() end

---Whether nobody will receive.
---@return boolean
function OneshotSender:is_closed() end

---The receiver of a oneshot. It is moved.
---@class rthandle.OneshotReceiver: rthandle.Awaitable
local OneshotReceiver = {}

---The value; or nil, "closed".
---@async
---@return any? value
---@return "closed"? why
function OneshotReceiver:recv() end

---As recv.
---@async
---@return any? value
---@return "closed"? why
function OneshotReceiver:await() end

---The value; or nil, "empty" or "closed".
---@return any? value
---@return ("empty"|"closed")? why
function OneshotReceiver:try_recv() end

---The send fails from here on.
function OneshotReceiver:close() end

---A sender of broadcast. Shared.
---@class rthandle.BroadcastSender
local BroadcastSender = {}

---How many receivers will see it; or nil, "closed".
---@param value any not nil, holds no object of the library
---@return integer? receivers
---@return "closed"? why
function BroadcastSender:send(value) end

---One more sender.
---@return rthandle.BroadcastSender
function BroadcastSender:clone() end

---No more from this one.
function BroadcastSender:close() end

---A receiver of what is sent from now on.
---@return rthandle.BroadcastReceiver
function BroadcastSender:subscribe() end

---How many receivers there are.
---@return integer
function BroadcastSender:receiver_count() end

---A receiver of broadcast. It is moved.
---@class rthandle.BroadcastReceiver: rthandle.Awaitable
---@operator len: integer
local BroadcastReceiver = {}

---The next value; nil, "lagged" and how many were missed; nil, "closed".
---@async
---@return any? value
---@return ("lagged"|"closed")? why
---@return integer? missed
function BroadcastReceiver:recv() end

---As recv.
---@async
---@return any? value
---@return ("lagged"|"closed")? why
---@return integer? missed
function BroadcastReceiver:await() end

---As recv, or nil, "empty".
---@return any? value
---@return ("lagged"|"empty"|"closed")? why
---@return integer? missed
function BroadcastReceiver:try_recv() end

---One more receiver, of what is sent from now on.
---@return rthandle.BroadcastReceiver
function BroadcastReceiver:resubscribe() end

---Receives no more.
function BroadcastReceiver:close() end

---A sender of watch. Shared.
---@class rthandle.WatchSender
local WatchSender = {}

---Stores a value: true; or nil, "closed".
---@param value any not nil, holds no object of the library
---@return true?
---@return "closed"? why
function WatchSender:send(value) end

---A copy of the value.
---@return any value
function WatchSender:borrow() end

---One more sender.
---@return rthandle.WatchSender
function WatchSender:clone() end

---No more from this one.
function WatchSender:close() end

---A receiver, that has seen the value.
---@return rthandle.WatchReceiver
function WatchSender:subscribe() end

---How many receivers there are.
---@return integer
function WatchSender:receiver_count() end

---A receiver of watch. It is moved.
---@class rthandle.WatchReceiver: rthandle.Awaitable
local WatchReceiver = {}

---A copy of the value.
---@return any value
function WatchReceiver:borrow() end

---The same, and the value counts as seen.
---@return any value
function WatchReceiver:borrow_and_update() end

---Whether there is a value not seen; or nil, "closed".
---@return boolean?
---@return "closed"? why
function WatchReceiver:has_changed() end

---Waits for a value not seen: true; or nil, "closed".
---@async
---@return true?
---@return "closed"? why
function WatchReceiver:changed() end

---As changed.
---@async
---@return true?
---@return "closed"? why
function WatchReceiver:await() end

---The first value that f answers true to; or nil, "closed".
---@async
---@param f fun(value: any): boolean
---@return any? value
---@return "closed"? why
function WatchReceiver:wait_for(f) end

---One more receiver, that has seen the same.
---@return rthandle.WatchReceiver
function WatchReceiver:clone() end

---Watches no more.
function WatchReceiver:close() end

---Permits. Shared.
---@class rthandle.Semaphore
local Semaphore = {}

---A Permit of k (1) permits, all at once; or nil, "closed".
---@async
---@param k? integer
---@return rthandle.Permit?
---@return "closed"? why
function Semaphore:acquire(k) end

---A Permit; or nil, "no permits" or "closed".
---@param k? integer
---@return rthandle.Permit?
---@return ("no permits"|"closed")? why
function Semaphore:try_acquire(k) end

---More of them.
---@param k integer
function Semaphore:add_permits(k) end

---How many may be had now.
---@return integer
function Semaphore:available_permits() end

---acquire answers nil, "closed" from here on.
function Semaphore:close() end

---Whether it was closed.
---@return boolean
function Semaphore:is_closed() end

---Gives its permits back when closed or collected. It is moved.
---@class rthandle.Permit
local Permit = {}

---Gives them back.
function Permit:close() end

---Never gives them back.
function Permit:forget() end

---How many it holds.
---@return integer
function Permit:num_permits() end

---A value for one task at a time. Shared.
---@class rthandle.Mutex
local Mutex = {}

---A LockGuard.
---@async
---@return rthandle.LockGuard
function Mutex:lock() end

---A LockGuard; or nil, "locked".
---@return rthandle.LockGuard?
---@return "locked"? why
function Mutex:try_lock() end

---A value for many readers or one writer. Shared.
---@class rthandle.RwLock
local RwLock = {}

---A LockGuard that cannot store.
---@async
---@return rthandle.LockGuard
function RwLock:read() end

---A LockGuard.
---@async
---@return rthandle.LockGuard
function RwLock:write() end

---A LockGuard; or nil, "locked".
---@return rthandle.LockGuard?
---@return "locked"? why
function RwLock:try_read() end

---A LockGuard; or nil, "locked".
---@return rthandle.LockGuard?
---@return "locked"? why
function RwLock:try_write() end

---Holds a lock until closed or collected. It may not be moved.
---@class rthandle.LockGuard
local LockGuard = {}

---A private copy of the value.
---@return any value
function LockGuard:get() end

---Stores another value.
---@param value any
function LockGuard:set(value) end

---Stores what f makes of the value, and answers it.
---@async
---@param f fun(value: any): any
---@return any value
function LockGuard:update(f) end

---Releases the lock.
function LockGuard:close() end

---Wakes tasks. Shared.
---@class rthandle.Notify: rthandle.Awaitable
local Notify = {}

---Waits for a notification.
---@async
function Notify:notified() end

---As notified.
---@async
function Notify:await() end

---Wakes one; stores one notification where nobody waits.
function Notify:notify_one() end

---Wakes all that wait now.
function Notify:notify_waiters() end

---Lets tasks go on when so many have come. Shared.
---@class rthandle.Barrier
local Barrier = {}

---Whether this one was the last to come.
---@async
---@return boolean leader
function Barrier:wait() end

---A value that is made once. Shared.
---@class rthandle.OnceCell
local OnceCell = {}

---A copy of the value, which f makes if there is none.
---@async
---@param f fun(): any
---@return any value
function OnceCell:get_or_init(f) end

---A copy of the value, or nil.
---@return any? value
function OnceCell:get() end

---true; or nil, "already set" or "initializing".
---@param value any not nil
---@return true?
---@return ("already set"|"initializing")? why
function OnceCell:set(value) end

---Channels and locks between tasks and threads.
---@class rthandle.sync
local sync = {}

---A channel that holds at most `capacity` values.
---@param capacity integer
---@return rthandle.Sender tx
---@return rthandle.Receiver rx
function sync.mpsc(capacity) end

---A channel without a limit.
---@return rthandle.Sender tx
---@return rthandle.Receiver rx
function sync.unbounded() end

---A channel for one value.
---@return rthandle.OneshotSender tx
---@return rthandle.OneshotReceiver rx
function sync.oneshot() end

---Each receiver sees every value; `capacity` are kept for slow ones.
---@param capacity integer
---@return rthandle.BroadcastSender tx
---@return rthandle.BroadcastReceiver rx
function sync.broadcast(capacity) end

---A value that is watched.
---@param initial any
---@return rthandle.WatchSender tx
---@return rthandle.WatchReceiver rx
function sync.watch(initial) end

---A lock for one, with a value that may be nil.
---@param value? any
---@return rthandle.Mutex
function sync.Mutex(value) end

---A lock for one writer or many readers, with a value that may be nil.
---@param value? any
---@return rthandle.RwLock
function sync.RwLock(value) end

---Gives out permits, and gets them back.
---@param permits integer
---@return rthandle.Semaphore
function sync.Semaphore(permits) end

---Wakes who waits, without a value.
---@return rthandle.Notify
function sync.Notify() end

---Lets n go on when all have come.
---@param n integer
---@return rthandle.Barrier
function sync.Barrier(n) end

---A value that is made once, by whoever needs it first.
---@return rthandle.OnceCell
function sync.OnceCell() end
