//! What Redis does in one step, in Lua. `KEYS[1]` are the items that are to be done (a stream), `KEYS[2]` those of a
//! batch that wait for their turn (a list), `KEYS[3]` the news (a stream).

/// The group of all instances.
pub(super) const GROUP: &str = "instances";

/// News that are kept, for scripts that are written with `concat!`.
macro_rules! kept_news {
    () => {
        1000
    };
}

/// News that are kept: those of some seconds. Who has missed some looks into the store anyway.
pub(super) const KEPT_NEWS: usize = kept_news!();

/// Says that something of a batch changed, and ends the script. ARGV begins with the batch.
macro_rules! tell_and_return {
    () => {
        concat!("redis.call('XADD', KEYS[3], 'MAXLEN', '~', ", kept_news!(), ", '*', 'batch', ARGV[1])\nreturn 1")
    };
}

/// Adds items of a batch to those that wait, and moves some on. ARGV: the batch, how many to move, seconds that the
/// list is kept, and the items.
pub(super) const ADD: &str = concat!(
    "
for at = 4, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[at]) end
redis.call('EXPIRE', KEYS[2], ARGV[3])
for _ = 1, ARGV[2] do
  local index = redis.call('LPOP', KEYS[2])
  if not index then break end
  redis.call('XADD', KEYS[1], '*', 'batch', ARGV[1], 'index', index)
end
",
    tell_and_return!()
);

/// Ends an item, and has the next one of its batch follow. Whoever ends the same one again changes nothing. ARGV: the
/// batch, the group, the entry, and 1 where another item shall follow; else none of the batch does.
pub(super) const FINISH: &str = concat!(
    "
redis.call('XACK', KEYS[1], ARGV[2], ARGV[3])
if redis.call('XDEL', KEYS[1], ARGV[3]) == 1 and ARGV[4] == '1' then
  local index = redis.call('LPOP', KEYS[2])
  if index then redis.call('XADD', KEYS[1], '*', 'batch', ARGV[1], 'index', index) end
elseif ARGV[4] ~= '1' then
  redis.call('DEL', KEYS[2])
end
",
    tell_and_return!()
);

/// Gives an item back that was not ended, as if it had never been begun. ARGV as for [`FINISH`], with the item last.
pub(super) const GIVE_BACK: &str = "
redis.call('XACK', KEYS[1], ARGV[2], ARGV[3])
if redis.call('XDEL', KEYS[1], ARGV[3]) == 1 then
  redis.call('XADD', KEYS[1], '*', 'batch', ARGV[1], 'index', ARGV[4])
end
return 1";

/// Says that entries are still worked on, so that nobody takes them over. Returns those that others have taken over.
/// ARGV: the group, the instance, and the entries.
pub(super) const RENEW: &str = "
local taken = {}
for at = 3, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[at], ARGV[at], 1)
  if pending[1] and pending[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[at], 'JUSTID')
  elseif pending[1] then
    taken[#taken + 1] = ARGV[at]
  end
end
return taken";
