#include "task_table.hpp"

#include <algorithm>
#include <functional>
#include <set>

namespace umbel::collector {
namespace {

constexpr std::size_t kSmallestIndex = 1024;  // a power of two
constexpr std::array kTimesOfTask{&Task::sent,   &Task::received, &Task::started, &Task::succeeded,
                                  &Task::failed, &Task::retried,  &Task::revoked, &Task::rejected};
constexpr std::uint16_t kHasRuntime = 1U << 8U, kHasClock = 1U << 9U, kHasRetries = 1U << 10U,
                        kHasName = 1U << 11U, kHasQueue = 1U << 12U, kHasExchange = 1U << 13U,
                        kHasRoutingKey = 1U << 14U, kHasWorker = 1U << 15U;

void set_flag(std::uint16_t& flags, std::uint16_t flag, bool on) {
  flags = static_cast<std::uint16_t>(on ? flags | flag : flags & ~flag);
}

std::uint64_t stub_key(std::string_view id) { return std::hash<std::string_view>{}(id); }

bool waits(TaskState state) {
  return state == TaskState::Pending || state == TaskState::Received || state == TaskState::Retry;
}

}  // namespace

std::size_t TaskTable::Texts::bytes() const {
  std::size_t total = 0;
  for (const auto* text : {&args, &kwargs, &eta, &expires, &result, &exception, &traceback}) {
    if (*text) total += (*text)->size();
  }
  return total;
}

bool TaskTable::Texts::empty() const {
  return !args && !kwargs && !eta && !expires && !result && !exception && !traceback;
}

TaskTable::TaskTable(TableLimits limits) : limits_{limits}, index_(kSmallestIndex, kNowhere) {}

std::optional<Task> TaskTable::find(const TaskId& id) const {
  const std::uint32_t place = place_of(id);
  return place == kNowhere ? std::nullopt : std::optional{task_at(place)};
}

std::optional<TaskState> TaskTable::state_of(const TaskId& id) const {
  const std::uint32_t place = place_of(id);
  return place == kNowhere ? std::nullopt : std::optional{row(place).state};
}

std::optional<std::uint64_t> TaskTable::version_of(const TaskId& id) const {
  const std::uint32_t place = place_of(id);
  return place == kNowhere ? std::nullopt : std::optional{row(place).version};
}

std::size_t TaskTable::put(const Task& task) {
  std::uint32_t place = place_of(task.uuid);
  std::size_t gone = 0;
  if (place == kNowhere) {
    if (!stubs_.empty()) drop_stub(stub_key(task.uuid.str()));
    while (size_ >= std::max<std::size_t>(limits_.tasks, 1)) {
      evict(lists_[1].oldest != kNowhere ? lists_[1].oldest : lists_[0].oldest);
      ++gone;
    }
    place = new_place();
    Row& fresh = row(place);
    if (const auto uuid = uuid_from(task.uuid.str())) {
      fresh.id = *uuid;
    } else {
      fresh.id = {.high = names_.take(task.uuid.str()), .low = 0, .kind = SmallId::Kind::Text};
    }
    index_insert(place);
    ++size_;
  } else {
    unlink(place);
    count(place, false);
    set_unknown(place, std::nullopt);
  }
  write(place, task);
  if (!is_final(task.state)) set_unknown(place, task.unknown_since);
  count(place, true);
  row(place).version = ++version_;
  link(place);
  write_texts(place, task);
  return gone;
}

std::uint32_t TaskTable::new_place() {
  if (free_.empty()) {
    const auto first = static_cast<std::uint32_t>(blocks_.size() * kRowsPerBlock);
    blocks_.push_back(std::make_unique<Row[]>(kRowsPerBlock));
    for (std::uint32_t i = kRowsPerBlock; i > 0; --i) free_.push_back(first + i - 1);
  }
  const std::uint32_t place = free_.back();
  free_.pop_back();
  return place;
}

void TaskTable::set(NamePool::Id& id, const std::string& text) {
  if (id != NamePool::kNone && names_.text(id) == text) return;
  const NamePool::Id before = id;
  id = text.empty() ? NamePool::kNone : names_.take(text);
  names_.give_back(before);
}

void TaskTable::set(NamePool::Id& id, const std::optional<std::string>& text, std::uint16_t flag,
                    Row& row) {
  set_flag(row.flags, flag, text.has_value());
  set(id, text ? *text : std::string{});
}

void TaskTable::set(SmallId& id, const std::optional<std::string>& text) {
  SmallId wanted;
  if (text) {
    if (const auto uuid = uuid_from(*text)) {
      wanted = *uuid;
    } else {
      wanted = {.high = text->empty() ? NamePool::kNone : names_.take(*text),
                .low = 0,
                .kind = SmallId::Kind::Text};
    }
  }
  if (id.kind == SmallId::Kind::Text) names_.give_back(static_cast<NamePool::Id>(id.high));
  id = wanted;
}

void TaskTable::write(std::uint32_t place, const Task& task) {
  Row& to = row(place);
  for (std::size_t i = 0; i < kTimes; ++i) {
    const auto& time = task.*kTimesOfTask[i];
    set_flag(to.flags, static_cast<std::uint16_t>(1U << i), time.has_value());
    to.times[i] = time ? to_micros(*time) : 0;
  }
  to.timestamp = to_micros(task.timestamp);
  set_flag(to.flags, kHasRuntime, task.runtime.has_value());
  to.runtime = task.runtime.value_or(0);
  set_flag(to.flags, kHasClock, task.clock.has_value());
  to.clock = task.clock.value_or(0);
  set_flag(to.flags, kHasRetries, task.retries.has_value());
  to.retries = task.retries.value_or(0);
  to.starts = static_cast<std::uint32_t>(std::clamp<std::int64_t>(task.starts, 0, 0xFFFF'FFFF));
  to.state = task.state;
  set(to.name, task.name, kHasName, to);
  set(to.worker, task.worker, kHasWorker, to);
  set(to.queue, task.queue, kHasQueue, to);
  set(to.exchange, task.exchange, kHasExchange, to);
  set(to.routing_key, task.routing_key, kHasRoutingKey, to);
  set(to.client, task.client.value_or(""));
  set(to.custom, task.custom_state);
  set(to.started_by, task.started_by);
  set(to.root, task.root_id);
  set(to.parent, task.parent_id);
}

void TaskTable::write_texts(std::uint32_t place, const Task& task) {
  Texts fresh{task.args,   task.kwargs,    task.eta,      task.expires,
              task.result, task.exception, task.traceback};
  if (fresh.empty()) return;  // they are in the history, or there are none
  Texts& held = texts_[place];
  text_bytes_ -= held.bytes();
  held = std::move(fresh);
  text_bytes_ += held.bytes();
  text_order_.emplace_back(place, row(place).version);
  while (texts_.size() > std::max<std::size_t>(limits_.with_texts, 1) ||
         (text_bytes_ > limits_.text_bytes && text_order_.size() > 1) ||
         text_order_.size() > 4 * limits_.with_texts + 4) {
    const auto [oldest, version] = text_order_.front();
    text_order_.pop_front();
    if (row(oldest).version == version) drop_texts(oldest);
  }
}

void TaskTable::drop_texts(std::uint32_t place) {
  const auto held = texts_.find(place);
  if (held == texts_.end()) return;
  text_bytes_ -= held->second.bytes();
  texts_.erase(held);
}

// The row says the state that it is counted under.
void TaskTable::set_unknown(std::uint32_t place, const std::optional<WallTime>& since) {
  std::uint64_t& of_state = unknown_by_state_[static_cast<std::size_t>(row(place).state)];
  if (unknown_.erase(place) > 0) --of_state;
  if (!since) return;
  unknown_.emplace(place, to_micros(*since));
  ++of_state;
}

void TaskTable::link(std::uint32_t place) {
  Row& added = row(place);
  List& list = list_of(added);
  added.newer = kNowhere;
  added.older = list.newest;
  if (list.newest != kNowhere) row(list.newest).newer = place;
  list.newest = place;
  if (list.oldest == kNowhere) list.oldest = place;
}

void TaskTable::unlink(std::uint32_t place) {
  Row& taken = row(place);
  List& list = list_of(taken);
  (taken.newer == kNowhere ? list.newest : row(taken.newer).older) = taken.older;
  (taken.older == kNowhere ? list.oldest : row(taken.older).newer) = taken.newer;
}

void TaskTable::count(std::uint32_t place, bool in) {
  const Row& row = this->row(place);
  std::uint64_t& of_state = by_state_[static_cast<std::size_t>(row.state)];
  in ? ++of_state : --of_state;
  const bool runs = row.state == TaskState::Started;
  if ((runs || waits(row.state)) && !unknown_.contains(place)) {
    Pairs& pairs = runs ? running_ : waiting_;
    const std::uint64_t key = std::uint64_t{runs ? row.worker : row.queue} << 32U | row.name;
    if (in) {
      ++pairs[key];
    } else if (const auto found = pairs.find(key); --found->second == 0) {
      pairs.erase(found);
    }
  }
  if (row.state != TaskState::Started || row.worker == NamePool::kNone) return;
  if (in) {
    ++running_on_[row.worker];
  } else if (const auto found = running_on_.find(row.worker); --found->second == 0) {
    running_on_.erase(found);
  }
}

bool TaskTable::would_press(std::size_t more) const {
  std::uint64_t finished = 0;
  for (std::size_t i = 0; i < by_state_.size(); ++i) {
    if (is_final(static_cast<TaskState>(i))) finished += by_state_[i];
  }
  return size_ - finished + more > limits_.tasks;
}

std::uint64_t TaskTable::running_on(std::string_view worker) const {
  const auto found = running_on_.find(names_.find(worker));
  return found == running_on_.end() ? 0 : found->second;
}

std::vector<Task> TaskTable::oldest(const Wanted& wanted, std::size_t limit) const {
  std::vector<Task> found;
  const NamePool::Id worker = names_.find(wanted.worker);
  const NamePool::Id queue = names_.find(wanted.queue);
  const auto fits = [](std::string_view text, NamePool::Id id, NamePool::Id of_row) {
    return text.empty() || (id != NamePool::kNone && id == of_row);
  };
  for (std::uint32_t place = lists_[0].oldest; place != kNowhere && found.size() < limit;
       place = row(place).newer) {
    const Row& each = row(place);
    if ((wanted.running ? each.state == TaskState::Started : waits(each.state)) &&
        !unknown_.contains(place) && fits(wanted.worker, worker, each.worker) &&
        fits(wanted.queue, queue, each.queue)) {
      found.push_back(task_at(place));
    }
  }
  return found;
}

std::vector<std::pair<Task, std::uint64_t>> TaskTable::held(const IsOld& is_old,
                                                            std::size_t limit) const {
  std::vector<std::pair<Task, std::uint64_t>> found;
  for (std::uint32_t place = lists_[0].oldest; place != kNowhere && found.size() < limit;
       place = row(place).newer) {
    const Row& each = row(place);
    const bool by_a_worker = each.state == TaskState::Received ||
                             each.state == TaskState::Started || each.state == TaskState::Custom;
    if (by_a_worker && each.worker != NamePool::kNone && !unknown_.contains(place) &&
        is_old(names_.text(each.worker), from_micros(each.timestamp)))
      found.emplace_back(task_at(place), each.version);
  }
  return found;
}

std::map<std::string, TaskId> TaskTable::oldest_by_queue(std::size_t most) const {
  std::set<NamePool::Id> open;
  for (const auto& [key, tasks] : waiting_) open.insert(static_cast<NamePool::Id>(key >> 32U));
  open.erase(NamePool::kNone);
  std::map<std::string, TaskId> found;
  for (std::uint32_t place = lists_[0].oldest; place != kNowhere && most > 0 && !open.empty();
       place = row(place).newer, --most) {
    const Row& each = row(place);
    if (waits(each.state) && open.erase(each.queue) > 0)
      found.emplace(names_.text(each.queue), TaskId{text_of(each.id)});
  }
  return found;
}

void TaskTable::keep_stub(const Row& gone) {
  const auto time = [&](std::size_t i) { return gone.times[i]; };  // as in kTimesOfTask
  const std::uint64_t key = stub_key(text_of(gone.id));
  drop_stub(key);  // another task's, once in 10^14
  stubs_.emplace(key, Stub{.sent = time(0),
                           .received = time(1),
                           .started = time(2),
                           .retried = time(5),
                           .timestamp = gone.timestamp,
                           .number = ++stub_number_,
                           .state = gone.state});
  stub_order_.emplace_back(key, stub_number_);
  ++by_state_[static_cast<std::size_t>(gone.state)];
  while (stubs_.size() > limits_.tasks || stub_order_.size() > 2 * limits_.tasks + 1) {
    const auto [oldest, number] = stub_order_.front();
    stub_order_.pop_front();
    const auto found = stubs_.find(oldest);
    if (found == stubs_.end() || found->second.number != number) continue;
    add_absent(found->second.state, 1);
    drop_stub(oldest);
  }
}

void TaskTable::drop_stub(std::uint64_t key) {
  const auto found = stubs_.find(key);
  if (found == stubs_.end()) return;
  --by_state_[static_cast<std::size_t>(found->second.state)];
  stubs_.erase(found);
  if (stubs_.empty()) stub_order_.clear();
}

std::optional<Task> TaskTable::stub(const TaskId& id) const {
  if (stubs_.empty()) return std::nullopt;
  const auto found = stubs_.find(stub_key(id.str()));
  if (found == stubs_.end()) return std::nullopt;
  const Stub& left = found->second;
  const auto time = [](std::int64_t micros) {
    return micros == 0 ? std::nullopt : std::optional{from_micros(micros)};
  };
  Task task;
  task.uuid = id;
  task.state = left.state;
  task.sent = time(left.sent);
  task.received = time(left.received);
  task.started = time(left.started);
  task.retried = time(left.retried);
  task.timestamp = from_micros(left.timestamp);
  return task;
}

void TaskTable::clear() {
  for (const List& list : lists_) {
    while (list.oldest != kNowhere) remove(list.oldest);
  }
  for (const auto& [key, left] : stubs_) --by_state_[static_cast<std::size_t>(left.state)];
  stubs_.clear();
  stub_order_.clear();
  absent_ = {};
}

void TaskTable::back_from_absence(const Task& task) {
  std::uint64_t& absent = absent_[static_cast<std::size_t>(task.state)];
  if (is_final(task.state) || absent == 0 || contains(task.uuid) || stub(task.uuid)) return;
  --absent;
}

void TaskTable::evict(std::uint32_t place) {
  ++evicted_;
  if (!is_final(row(place).state)) {
    ++evicted_unfinished_;
    keep_stub(row(place));
  }
  remove(place);
}

void TaskTable::remove(std::uint32_t place) {
  Row& gone = row(place);
  unlink(place);
  count(place, false);
  set_unknown(place, std::nullopt);
  index_erase(gone.id);
  drop_texts(place);
  for (const NamePool::Id name : {gone.name, gone.worker, gone.client, gone.queue, gone.exchange,
                                  gone.routing_key, gone.custom, gone.started_by}) {
    names_.give_back(name);
  }
  for (const SmallId& id : {gone.id, gone.root, gone.parent}) {
    if (id.kind == SmallId::Kind::Text) names_.give_back(static_cast<NamePool::Id>(id.high));
  }
  gone = Row{};
  free_.push_back(place);
  --size_;
}

std::string TaskTable::text_of(const SmallId& id) const {
  if (id.kind == SmallId::Kind::Uuid) return uuid_text(id);
  return id.high == NamePool::kNone ? std::string{}
                                    : names_.text(static_cast<NamePool::Id>(id.high));
}

Task TaskTable::task_at(std::uint32_t place) const {
  const Row& from = row(place);
  const auto has = [&](std::uint16_t flag) { return (from.flags & flag) != 0; };
  const auto name = [&](NamePool::Id id, bool set) {
    if (!set) return std::optional<std::string>{};
    return std::optional{id == NamePool::kNone ? std::string{} : names_.text(id)};
  };
  const auto plain = [&](NamePool::Id id) {
    return id == NamePool::kNone ? std::string{} : names_.text(id);
  };
  const auto related = [&](const SmallId& id) {
    if (id.kind == SmallId::Kind::None) return std::optional<std::string>{};
    return std::optional{text_of(id)};
  };
  Task task;
  task.uuid = TaskId{text_of(from.id)};
  task.state = from.state;
  task.custom_state = plain(from.custom);
  task.name = name(from.name, has(kHasName));
  for (std::size_t i = 0; i < kTimes; ++i) {
    if (has(static_cast<std::uint16_t>(1U << i)))
      task.*kTimesOfTask[i] = from_micros(from.times[i]);
  }
  if (has(kHasRetries)) task.retries = from.retries;
  task.worker = name(from.worker, has(kHasWorker));
  task.client = name(from.client, from.client != NamePool::kNone);
  if (has(kHasRuntime)) task.runtime = from.runtime;
  task.timestamp = from_micros(from.timestamp);
  task.queue = name(from.queue, has(kHasQueue));
  task.exchange = name(from.exchange, has(kHasExchange));
  task.routing_key = name(from.routing_key, has(kHasRoutingKey));
  if (has(kHasClock)) task.clock = from.clock;
  task.root_id = related(from.root);
  task.parent_id = related(from.parent);
  task.starts = from.starts;
  task.started_by = plain(from.started_by);
  if (!unknown_.empty()) {
    if (const auto since = unknown_.find(place); since != unknown_.end())
      task.unknown_since = from_micros(since->second);
  }
  if (const auto held = texts_.find(place); held != texts_.end()) {
    const Texts& texts = held->second;
    task.args = texts.args;
    task.kwargs = texts.kwargs;
    task.eta = texts.eta;
    task.expires = texts.expires;
    task.result = texts.result;
    task.exception = texts.exception;
    task.traceback = texts.traceback;
  }
  return task;
}

std::size_t TaskTable::bytes() const {
  constexpr std::size_t kPerText = sizeof(Texts) + 64;
  constexpr std::size_t kPerStub = sizeof(Stub) + 32 + 2 * sizeof(std::uint64_t);
  return blocks_.size() * kRowsPerBlock * sizeof(Row) +
         (index_.capacity() + free_.capacity()) * sizeof(std::uint32_t) + names_.bytes() +
         texts_.size() * kPerText + text_bytes_ + stubs_.size() * kPerStub +
         text_order_.size() * sizeof(std::pair<std::uint32_t, std::uint64_t>);
}

}  // namespace umbel::collector
