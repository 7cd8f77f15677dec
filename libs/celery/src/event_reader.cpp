#include "event_reader.hpp"

#include <cmath>
#include <utility>

#include "python_tokens.hpp"

namespace umbel::celery {
namespace {

constexpr std::size_t kMaxId = 255;

struct TaskEventName {
  std::string_view name;
  TaskEventType type;
};
constexpr std::array<TaskEventName, 8> kTaskEvents{{{"sent", TaskEventType::Sent},
                                                    {"received", TaskEventType::Received},
                                                    {"started", TaskEventType::Started},
                                                    {"succeeded", TaskEventType::Succeeded},
                                                    {"failed", TaskEventType::Failed},
                                                    {"rejected", TaskEventType::Rejected},
                                                    {"revoked", TaskEventType::Revoked},
                                                    {"retried", TaskEventType::Retried}}};

TaskEventType task_event_type(std::string_view name) {
  for (const auto& known : kTaskEvents) {
    if (known.name == name) return known.type;
  }
  return TaskEventType::Custom;
}

WorkerEventType worker_event_type(std::string_view name) {
  if (name == "heartbeat") return WorkerEventType::Heartbeat;
  if (name == "online") return WorkerEventType::Online;
  if (name == "offline") return WorkerEventType::Offline;
  return WorkerEventType::Other;
}

}  // namespace

void RawEvent::clear() {
  present_ = 0;
  unescaped_.clear();
  unescaped_from_ = 0;
  loads_ = 0;
}

RawEvent::Slot& RawEvent::slot(Field field, Kind kind) {
  present_ |= bit(field);
  Slot& slot = slots_[static_cast<std::size_t>(field)];
  slot.kind = kind;
  return slot;
}

void RawEvent::put_text(Field field, std::string_view text) { slot(field, Kind::Text).text = text; }

void RawEvent::put_appended_text(Field field) {
  Slot& target = slot(field, Kind::Unescaped);
  target.offset = unescaped_from_;
  target.size = unescaped_.size() - unescaped_from_;
  unescaped_from_ = unescaped_.size();
}

void RawEvent::put_integer(Field field, std::int64_t value) {
  slot(field, Kind::Integer).integer = value;
}

void RawEvent::put_float(Field field, double value) { slot(field, Kind::Float).number = value; }

void RawEvent::put_bool(Field field, bool value) {
  slot(field, Kind::Bool).integer = value ? 1 : 0;
}

void RawEvent::add_load(double value) {
  if (loads_ < load_.size()) load_[loads_] = value;
  ++loads_;
}

const RawEvent::Slot* RawEvent::find(Field field) const {
  return (present_ & bit(field)) != 0 ? &slots_[static_cast<std::size_t>(field)] : nullptr;
}

std::optional<std::string_view> RawEvent::text(Field field) const {
  const Slot* const found = find(field);
  if (found == nullptr) return std::nullopt;
  if (found->kind == Kind::Text) return found->text;
  if (found->kind != Kind::Unescaped) return std::nullopt;
  return std::string_view{unescaped_}.substr(found->offset, found->size);
}

std::optional<std::string> RawEvent::copied(Field field) const {
  const auto found = text(field);
  return found ? std::optional<std::string>{*found} : std::nullopt;
}

std::optional<std::int64_t> RawEvent::integer(Field field) const {
  const Slot* const found = find(field);
  if (found == nullptr || found->kind != Kind::Integer) return std::nullopt;
  return found->integer;
}

std::optional<double> RawEvent::number(Field field) const {
  const Slot* const found = find(field);
  if (found == nullptr) return std::nullopt;
  if (found->kind == Kind::Float) return found->number;
  if (found->kind == Kind::Integer) return static_cast<double>(found->integer);
  return std::nullopt;
}

std::optional<bool> RawEvent::boolean(Field field) const {
  const Slot* const found = find(field);
  if (found == nullptr || found->kind != Kind::Bool) return std::nullopt;
  return found->integer != 0;
}

std::optional<std::string> RawEvent::signal() const {
  if (const auto code = integer(Field::Signum)) return std::to_string(*code);
  return copied(Field::Signum);
}

std::optional<std::array<double, 3>> RawEvent::loadavg() const {
  if (find(Field::Loadavg) == nullptr || loads_ != load_.size()) return std::nullopt;
  return load_;
}

std::optional<EventOrigin> RawEvent::origin() const {
  const auto hostname = text(Field::Hostname);
  const auto timestamp = number(Field::Timestamp);
  if (!hostname || hostname->empty() || !timestamp) return std::nullopt;
  EventOrigin origin;
  origin.hostname = *hostname;
  origin.timestamp = from_unix_seconds(*timestamp);
  origin.pid = integer(Field::Pid).value_or(0);
  origin.clock = integer(Field::Clock);
  if (const auto sequence = integer(Field::Sequence); sequence && *sequence >= 0) {
    origin.sequence = static_cast<std::uint64_t>(*sequence);
  }
  return origin;
}

std::optional<Event> RawEvent::task_event(std::string_view name) const {
  auto origin_fields = origin();
  const auto uuid = text(Field::Uuid);
  if (!origin_fields || !uuid || uuid->empty() || uuid->size() > kMaxId || name.empty()) {
    return std::nullopt;
  }
  std::optional<Event> event{std::in_place, std::in_place_type<TaskEvent>};
  auto& task = std::get<TaskEvent>(*event);
  task.type = task_event_type(name);
  if (task.type == TaskEventType::Custom) task.custom_type = name;
  task.origin = std::move(*origin_fields);
  task.uuid = TaskId{std::string{*uuid}};
  task.name = copied(Field::Name);
  task.args = copied(Field::Args);
  task.kwargs = copied(Field::Kwargs);
  task.root_id = copied(Field::RootId);
  task.parent_id = copied(Field::ParentId);
  task.retries = integer(Field::Retries);
  task.eta = copied(Field::Eta);
  task.expires = copied(Field::Expires);
  task.queue = copied(Field::Queue);
  task.exchange = copied(Field::Exchange);
  task.routing_key = copied(Field::RoutingKey);
  task.result = copied(Field::Result);
  task.runtime = number(Field::Runtime);
  task.exception = copied(Field::Exception);
  task.traceback = copied(Field::Traceback);
  task.terminated = boolean(Field::Terminated);
  task.expired = boolean(Field::Expired);
  task.requeue = boolean(Field::Requeue);
  task.signum = signal();
  return event;
}

std::optional<Event> RawEvent::worker_event(std::string_view name) const {
  auto origin_fields = origin();
  if (!origin_fields || name.empty()) return std::nullopt;
  std::optional<Event> event{std::in_place, std::in_place_type<WorkerEvent>};
  auto& worker = std::get<WorkerEvent>(*event);
  worker.type = worker_event_type(name);
  worker.origin = std::move(*origin_fields);
  worker.freq = number(Field::Freq);
  worker.active = integer(Field::Active);
  worker.processed = integer(Field::Processed);
  worker.loadavg = loadavg();
  worker.sw_ident = copied(Field::SwIdent);
  worker.sw_ver = copied(Field::SwVer);
  worker.sw_sys = copied(Field::SwSys);
  worker.metrics_address = copied(Field::MetricsAddress);
  worker.slots = integer(Field::Slots);
  worker.queues = copied(Field::Queues);
  worker.stuck = integer(Field::Stuck);
  return event;
}

std::optional<Event> RawEvent::event() const {
  constexpr std::string_view kTask = "task-";
  constexpr std::string_view kWorker = "worker-";
  const auto type = text(Field::Type);
  if (!type) return std::nullopt;
  if (type->starts_with(kTask)) return task_event(type->substr(kTask.size()));
  if (type->starts_with(kWorker)) return worker_event(type->substr(kWorker.size()));
  return std::nullopt;
}

void EventHandler::begin(std::string_view text, std::span<const std::size_t> nans) {
  roll_back();
  text_ = text;
  nans_ = nans;
  skipped_ = 0;
  top_ = Top::Scalar;
  level_ = 0;
  event_level_ = -1;
  field_ = Field::Unknown;
  loadavg_ = false;
  key_.clear();
  event_.clear();
}

void EventHandler::roll_back() {
  out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(kept_), out_.end());
}

// Something in the list that is no object, and so no event.
void EventHandler::foreign_element() {
  if (top_ == Top::List && level_ == 1) ++skipped_;
}

bool EventHandler::on_object_begin(Code&) {
  if (level_ == 0) top_ = Top::Object;
  const bool is_event = level_ == 0 || (level_ == 1 && top_ == Top::List);
  if (wanted()) event_.drop(field_);
  if (in_loadavg()) event_.drop(Field::Loadavg);
  ++level_;
  if (is_event) {
    event_level_ = level_;
    field_ = Field::Unknown;
    event_.clear();
  }
  return true;
}

bool EventHandler::on_object_end(std::size_t, Code&) {
  if (level_ == event_level_) {
    event_level_ = -1;
    if (auto event = event_.event()) {
      out_.push_back(std::move(*event));
    } else {
      ++skipped_;
    }
  }
  --level_;
  return true;
}

bool EventHandler::on_array_begin(Code&) {
  foreign_element();
  if (level_ == 0) top_ = Top::List;
  if (wanted()) {
    if (field_ == Field::Loadavg) {
      loadavg_ = true;
      event_.begin_loadavg();
      event_.put_bool(Field::Loadavg, true);
    } else {
      event_.drop(field_);
    }
  } else if (in_loadavg()) {
    event_.drop(Field::Loadavg);
  }
  ++level_;
  return true;
}

bool EventHandler::on_array_end(std::size_t, Code&) {
  if (in_loadavg()) loadavg_ = false;
  --level_;
  return true;
}

bool EventHandler::on_key_part(Text part, std::size_t, Code&) {
  if (level_ == event_level_) key_.append(part.data(), part.size());
  return true;
}

bool EventHandler::on_key(Text rest, std::size_t, Code&) {
  if (level_ != event_level_) return true;
  if (key_.empty()) {
    field_ = field_named({rest.data(), rest.size()});
  } else {
    key_.append(rest.data(), rest.size());
    field_ = field_named(key_);
    key_.clear();
  }
  return true;
}

bool EventHandler::on_string_part(Text part, std::size_t, Code&) {
  if (wanted()) event_.append_text({part.data(), part.size()});
  return true;
}

bool EventHandler::on_string(Text rest, std::size_t total, Code&) {
  foreign_element();
  if (in_loadavg()) event_.drop(Field::Loadavg);
  if (!wanted()) return true;
  const bool in_place = total == rest.size() && rest.data() >= text_.data() &&
                        rest.data() + rest.size() <= text_.data() + text_.size();
  if (field_ == Field::Loadavg) {
    event_.drop(field_);
  } else if (in_place) {
    event_.put_text(field_, {rest.data(), rest.size()});
  } else {
    event_.append_text({rest.data(), rest.size()});
    event_.put_appended_text(field_);
  }
  return true;
}

bool EventHandler::on_int64(std::int64_t value, Text, Code&) {
  foreign_element();
  if (in_loadavg()) {
    event_.add_load(static_cast<double>(value));
  } else if (wanted()) {
    field_ == Field::Loadavg ? event_.drop(field_) : event_.put_integer(field_, value);
  }
  return true;
}

// Larger than any counter of ours: as good as no number.
bool EventHandler::on_uint64(std::uint64_t, Text, Code& code) { return on_null(code); }

bool EventHandler::on_double(double, Text raw, Code& code) {
  const auto at = static_cast<std::size_t>(raw.data() - text_.data());
  if (!nans_.empty() && nans_.front() == at) {
    nans_ = nans_.subspan(1);
    return on_null(code);
  }
  if (!in_loadavg() && !wanted()) {
    foreign_element();
    return true;
  }
  const double value = exact_double({raw.data(), raw.size()});
  if (!std::isfinite(value) || (wanted() && field_ == Field::Loadavg)) return on_null(code);
  in_loadavg() ? event_.add_load(value) : event_.put_float(field_, value);
  return true;
}

bool EventHandler::on_bool(bool value, Code&) {
  foreign_element();
  if (in_loadavg()) event_.drop(Field::Loadavg);
  if (wanted()) {
    field_ == Field::Loadavg ? event_.drop(field_) : event_.put_bool(field_, value);
  }
  return true;
}

bool EventHandler::on_null(Code&) {
  foreign_element();
  if (in_loadavg()) event_.drop(Field::Loadavg);
  if (wanted()) event_.drop(field_);
  return true;
}

}  // namespace umbel::celery
