#include "frames.hpp"

#include <fmt/format.h>

#include <utility>

#include "wire.hpp"

namespace umbel::prefork {
namespace {

constexpr std::size_t kKeep = 64 * 1024;  // bytes of a buffer that are worth keeping

// Each structure is taken apart whole, so that one that gains a member does not compile until it
// travels too.

void put(WireWriter& to, const Hello& it) { to.text(it.tasks); }
void get(WireReader& from, Hello& it) { it.tasks = from.text(); }

void put(WireWriter& to, const Unable& it) { to.text(it.reason); }
void get(WireReader& from, Unable& it) { it.reason = from.text(); }

void put(WireWriter& to, const Run& it) {
  const auto& [job, name, id, retries, args, kwargs, ignore_result] = it;
  to.number(job);
  to.text(name);
  to.text(id);
  to.number(retries);
  to.text(args);
  to.text(kwargs);
  to.flag(ignore_result);
}
void get(WireReader& from, Run& it) {
  it.job = from.number<std::uint64_t>();
  it.name = from.text();
  it.id = from.text();
  it.retries = from.number<std::int64_t>();
  it.args = from.text();
  it.kwargs = from.text();
  it.ignore_result = from.flag();
}

void put(WireWriter& to, const TaskRequest& it) {
  const auto& [name, args, kwargs, id, queue, queue_of_unknown, eta, expires, priority, root,
               parent, headers] = it;
  const auto text = [&to](const auto& named) { to.text(named.str()); };
  const auto time = [&to](WallTime when) { to.time(when); };
  to.text(name);
  to.text(args);
  to.text(kwargs);
  to.maybe(id, text);
  to.maybe(queue, text);
  to.maybe(queue_of_unknown, text);
  to.maybe(eta, time);
  to.maybe(expires, time);
  to.number(static_cast<std::int32_t>(priority));
  to.text(root.str());
  to.text(parent.str());
  to.text(headers);
}
TaskRequest task_request(WireReader& from) {
  const auto time = [&from] { return from.time(); };
  TaskRequest it;
  it.name = from.text();
  it.args = from.text();
  it.kwargs = from.text();
  it.id = from.maybe<TaskId>([&from] { return TaskId{from.text()}; });
  it.queue = from.maybe<QueueName>([&from] { return QueueName{from.text()}; });
  it.queue_of_unknown = from.maybe<QueueName>([&from] { return QueueName{from.text()}; });
  it.eta = from.maybe<WallTime>(time);
  it.expires = from.maybe<WallTime>(time);
  it.priority = from.number<std::int32_t>();
  it.root = TaskId{from.text()};
  it.parent = TaskId{from.text()};
  it.headers = from.text();
  return it;
}

void put(WireWriter& to, const Tick& it) {
  const auto& [schedule, due, missed] = it;
  to.text(schedule);
  to.time(due);
  to.maybe(missed, [&to](const MissedTicks& ticks) {
    const auto& [after, latest, count] = ticks;
    to.time(after);
    to.time(latest);
    to.number(count);
  });
}
Tick tick(WireReader& from) {
  Tick it;
  it.schedule = from.text();
  it.due = from.time();
  it.missed = from.maybe<MissedTicks>([&from] {
    MissedTicks ticks;
    ticks.after = from.time();
    ticks.latest = from.time();
    ticks.count = from.number<std::uint64_t>();
    return ticks;
  });
  return it;
}

void put(WireWriter& to, const SpawnRequest& it) {
  const auto& [requests, together] = it;
  const auto& [a_tick, sightings, watermark] = together;
  to.list(requests, [&to](const TaskRequest& request) { put(to, request); });
  to.maybe(a_tick, [&to](const Tick& one) { put(to, one); });
  to.list(sightings, [&to](const Sighting& sighting) {
    const auto& [fullname, subreddit, created] = sighting;
    to.text(fullname);
    to.text(subreddit);
    to.time(created);
  });
  to.maybe(watermark, [&to](const Watermark& mark) {
    const auto& [subreddit, newest] = mark;
    to.text(subreddit);
    to.time(newest);
  });
}
void get(WireReader& from, SpawnRequest& it) {
  it.requests = from.list<TaskRequest>([&from] { return task_request(from); });
  it.together.tick = from.maybe<Tick>([&from] { return tick(from); });
  it.together.sightings = from.list<Sighting>([&from] {
    Sighting sighting;
    sighting.fullname = from.text();
    sighting.subreddit = from.text();
    sighting.created = from.time();
    return sighting;
  });
  it.together.watermark = from.maybe<Watermark>([&from] {
    Watermark mark;
    mark.subreddit = from.text();
    mark.newest = from.time();
    return mark;
  });
}

void put(WireWriter& to, const SpawnAnswer& it) {
  const auto& [handles, error] = it;
  to.list(handles, [&to](const AcceptedHandle& handle) {
    const auto& [id, name, queue, fresh] = handle;
    to.text(id.str());
    to.text(name);
    to.text(queue.str());
    to.flag(fresh);
  });
  to.maybe(error, [&to](const Error& one) {
    to.number(static_cast<std::uint8_t>(one.code));
    to.text(one.what);
  });
}
void get(WireReader& from, SpawnAnswer& it) {
  it.handles = from.list<AcceptedHandle>([&from] {
    AcceptedHandle handle;
    handle.id = TaskId{from.text()};
    handle.name = from.text();
    handle.queue = QueueName{from.text()};
    handle.fresh = from.flag();
    return handle;
  });
  it.error = from.maybe<Error>([&from] {
    const auto code = static_cast<Errc>(from.choice(static_cast<std::uint8_t>(Errc::Corrupt)));
    return Error{code, from.text()};
  });
}

void put(WireWriter& to, const metrics::SeriesChange& it) {
  const auto& [kind, name, help, labels, buckets, values, amount, counts] = it;
  const auto text = [&to](const std::string& one) { to.text(one); };
  const auto number = [&to](double one) { to.number(one); };
  to.number(static_cast<std::uint8_t>(kind));
  to.text(name);
  to.text(help);
  to.list(labels, text);
  to.list(buckets, number);
  to.list(values, text);
  to.number(amount);
  to.list(counts, number);
}
metrics::SeriesChange series_change(WireReader& from) {
  const auto text = [&from] { return from.text(); };
  const auto number = [&from] { return from.number<double>(); };
  metrics::SeriesChange it;
  it.kind =
      static_cast<metrics::Kind>(from.choice(static_cast<std::uint8_t>(metrics::Kind::Histogram)));
  it.name = from.text();
  it.help = from.text();
  it.labels = from.list<std::string>(text);
  it.buckets = from.list<double>(number);
  it.values = from.list<std::string>(text);
  it.amount = from.number<double>();
  it.counts = from.list<double>(number);
  return it;
}

void put(WireWriter& to, const Moved& it) {
  to.list(it.changes, [&to](const metrics::SeriesChange& change) { put(to, change); });
}
void get(WireReader& from, Moved& it) {
  it.changes = from.list<metrics::SeriesChange>([&from] { return series_change(from); });
}

void put_millis(WireWriter& to, const std::optional<std::chrono::milliseconds>& value) {
  to.maybe(value, [&to](std::chrono::milliseconds ms) {
    to.number(static_cast<std::int64_t>(ms.count()));
  });
}
std::optional<std::chrono::milliseconds> get_millis(WireReader& from) {
  return from.maybe<std::chrono::milliseconds>(
      [&from] { return std::chrono::milliseconds{from.number<std::int64_t>()}; });
}

constexpr TaskState kEndStates[] = {TaskState::Success, TaskState::Failure, TaskState::Retry,
                                    TaskState::Revoked};

std::uint8_t number_of(TaskState state) {
  for (std::uint8_t i = 0; i < std::size(kEndStates); ++i) {
    if (kEndStates[i] == state) return i;
  }
  return 1;
}

// The value that was returned stays behind: its text says the same.
void put(WireWriter& to, const Done& it) {
  const auto& [job, ending] = it;
  const auto& [state, result, value, python, traceback, shown, message, retry_in, postponed,
               expired, signal] = ending;
  (void)value;
  to.number(job);
  to.number(number_of(state));
  to.text(result);
  to.maybe(python, [&to](const std::string& text) { to.text(text); });
  to.text(traceback);
  to.text(shown);
  to.text(message);
  put_millis(to, retry_in);
  to.flag(postponed);
  to.flag(expired);
  to.maybe(signal, [&to](int number) { to.number(static_cast<std::int32_t>(number)); });
}
void get(WireReader& from, Done& it) {
  it.job = from.number<std::uint64_t>();
  auto& ending = it.ending;
  ending.state = kEndStates[from.choice(std::size(kEndStates) - 1)];
  ending.result = from.text();
  ending.python = from.maybe<std::string>([&from] { return std::string{from.text()}; });
  ending.traceback = from.text();
  ending.shown = from.text();
  ending.message = from.text();
  ending.retry_in = get_millis(from);
  ending.postponed = from.flag();
  ending.expired = from.flag();
  ending.signal = from.maybe<int>([&from] { return from.number<std::int32_t>(); });
}

void put(WireWriter& to, const Thrown& it) {
  const auto& [job, raised] = it;
  const auto& [kind, type, message, module, delay] = raised;
  to.number(job);
  to.number(static_cast<std::uint8_t>(kind));
  to.text(type);
  to.text(message);
  to.text(module);
  put_millis(to, delay);
}
void get(WireReader& from, Thrown& it) {
  it.job = from.number<std::uint64_t>();
  auto& raised = it.raised;
  raised.kind =
      static_cast<Raised::Kind>(from.choice(static_cast<std::uint8_t>(Raised::Kind::Later)));
  raised.type = from.text();
  raised.message = from.text();
  raised.module = from.text();
  raised.delay = get_millis(from);
}

template <std::size_t I = 0>
void get_any(WireReader& from, std::size_t index, Frame& frame) {
  if constexpr (I < std::variant_size_v<Frame>) {
    if (index == I) {
      get(from, frame.emplace<I>());
    } else {
      get_any<I + 1>(from, index, frame);
    }
  }
}

}  // namespace

Result<std::string> encode(const Frame& frame) {
  WireWriter to;
  to.number(std::uint32_t{0});
  to.number(static_cast<std::uint8_t>(frame.index()));
  std::visit([&to](const auto& it) { put(to, it); }, frame);
  auto& bytes = to.bytes();
  const auto size = bytes.size() - kFrameHead;
  if (size > kMostFrame) {
    return invalid(fmt::format(
        "a message between a worker and its process has {} bytes (at most {})", size, kMostFrame));
  }
  const auto head = static_cast<std::uint32_t>(size);
  std::memcpy(bytes.data(), &head, sizeof head);
  return std::move(bytes);
}

Result<Frame> decode(std::string_view payload) {
  WireReader from{payload};
  Frame frame;
  const auto kind = from.choice(static_cast<std::uint8_t>(std::variant_size_v<Frame> - 1));
  if (from.ok()) get_any(from, kind, frame);
  if (!from.at_end()) {
    return invalid(fmt::format("no frame: {} bytes that begin with {}", payload.size(),
                               payload.empty() ? 0 : static_cast<unsigned char>(payload[0])));
  }
  return frame;
}

void FrameReader::feed(std::string_view bytes) {
  if (read_ == bytes_.size()) {
    bytes_.clear();
    read_ = 0;
    if (bytes_.capacity() > kKeep) bytes_.shrink_to_fit();
  } else if (read_ > bytes_.size() / 2) {
    bytes_.erase(0, read_);
    read_ = 0;
  }
  bytes_.append(bytes);
}

Result<std::optional<Frame>> FrameReader::next() {
  const auto left = std::string_view{bytes_}.substr(read_);
  if (left.size() < kFrameHead) return std::optional<Frame>{};
  std::uint32_t size = 0;
  std::memcpy(&size, left.data(), sizeof size);
  if (size > kMostFrame) {
    return invalid(fmt::format("a frame of {} bytes (at most {})", size, kMostFrame));
  }
  if (left.size() < kFrameHead + size) return std::optional<Frame>{};
  auto frame = decode(left.substr(kFrameHead, size));
  if (!frame) return frame.error();
  read_ += kFrameHead + size;
  return std::optional<Frame>{std::move(*frame)};
}

}  // namespace umbel::prefork
