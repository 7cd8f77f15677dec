#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "event_fields.hpp"
#include "json_text.hpp"
#include "umbel/celery/events.hpp"

namespace umbel::celery {
namespace {

// Seconds with exactly the microseconds that there are: a double's shortest digits would do, but
// cost more.
void append_seconds(std::string& out, WallTime time) {
  std::int64_t micros = to_micros(time);
  if (micros < 0) {
    out += '-';
    micros = -micros;
  }
  append_integer(out, micros / 1'000'000);
  out += '.';
  const std::string fraction = std::to_string(micros % 1'000'000);
  out.append(6 - fraction.size(), '0');
  out += fraction;
}

class EventWriter {
 public:
  EventWriter(std::string& out, std::string_view group, std::string_view name) : out_{out} {
    out_ += R"({"type": )";
    append_json_string(out_, std::string{group}.append(name));
  }

  void origin(const EventOrigin& origin) {
    put(Field::Hostname, origin.hostname);
    key(Field::Timestamp);
    append_seconds(out_, origin.timestamp);
    put(Field::Pid, origin.pid);
    if_set(Field::Clock, origin.clock);
    if_set(Field::Sequence, origin.sequence);
  }

  template <class T>
  void if_set(Field field, const std::optional<T>& value) {
    if (value) put(field, *value);
  }

  // For what Python senders write also when there is nothing to say.
  template <class T>
  void or_null(Field field, const std::optional<T>& value) {
    if (value) {
      put(field, *value);
    } else {
      key(field);
      out_ += "null";
    }
  }

  void close() { out_ += '}'; }

  void put(Field field, const std::string& value) {
    key(field);
    append_json_string(out_, value);
  }
  void put(Field field, std::int64_t value) {
    key(field);
    append_integer(out_, value);
  }
  void put(Field field, std::uint64_t value) {
    key(field);
    append_integer(out_, value);
  }
  void put(Field field, bool value) {
    key(field);
    out_ += value ? "true" : "false";
  }
  void put(Field field, double value) {
    key(field);
    number(value);
  }
  void put(Field field, const std::array<double, 3>& values) {
    key(field);
    std::string_view separator = "[";
    for (const double value : values) {
      out_ += separator;
      number(value);
      separator = ", ";
    }
    out_ += ']';
  }

 private:
  void key(Field field) {
    out_ += ", \"";
    out_ += field_name(field);
    out_ += "\": ";
  }
  void number(double value) {
    if (std::isfinite(value)) {
      append_float(out_, value);
    } else {
      out_ += "null";
    }
  }

  std::string& out_;
};

// A signal's number goes as a number, its name as text.
void put_signal(EventWriter& writer, const std::optional<std::string>& signum) {
  const bool digits = signum && !signum->empty() && signum->size() <= 9 &&
                      signum->find_first_not_of("0123456789") == std::string::npos;
  if (digits) {
    writer.put(Field::Signum, std::int64_t{std::stoi(*signum)});
  } else {
    writer.or_null(Field::Signum, signum);
  }
}

void append(std::string& out, const TaskEvent& event) {
  const bool sent = event.type == TaskEventType::Sent;
  const bool revoked = event.type == TaskEventType::Revoked;
  EventWriter writer{out, "task-", short_name(event)};
  writer.put(Field::Uuid, event.uuid.str());
  writer.origin(event.origin);
  writer.if_set(Field::Name, event.name);
  writer.if_set(Field::Args, event.args);
  writer.if_set(Field::Kwargs, event.kwargs);
  writer.if_set(Field::RootId, event.root_id);
  if (sent || event.type == TaskEventType::Received) {
    writer.or_null(Field::ParentId, event.parent_id);
    writer.put(Field::Retries, event.retries.value_or(0));
    writer.or_null(Field::Eta, event.eta);
    writer.or_null(Field::Expires, event.expires);
  } else {
    writer.if_set(Field::ParentId, event.parent_id);
    writer.if_set(Field::Retries, event.retries);
    writer.if_set(Field::Eta, event.eta);
    writer.if_set(Field::Expires, event.expires);
  }
  writer.if_set(Field::Queue, event.queue);
  writer.if_set(Field::Exchange, event.exchange);
  writer.if_set(Field::RoutingKey, event.routing_key);
  writer.if_set(Field::Result, event.result);
  writer.if_set(Field::Runtime, event.runtime);
  writer.if_set(Field::Exception, event.exception);
  writer.if_set(Field::Traceback, event.traceback);
  if (revoked) {
    writer.put(Field::Terminated, event.terminated.value_or(false));
    writer.put(Field::Expired, event.expired.value_or(false));
    put_signal(writer, event.signum);
  } else {
    writer.if_set(Field::Terminated, event.terminated);
    writer.if_set(Field::Expired, event.expired);
    if (event.signum) put_signal(writer, event.signum);
  }
  writer.if_set(Field::Requeue, event.requeue);
  writer.close();
}

void append(std::string& out, const WorkerEvent& event) {
  EventWriter writer{out, "worker-", short_name(event)};
  writer.origin(event.origin);
  writer.if_set(Field::Freq, event.freq);
  writer.if_set(Field::Active, event.active);
  writer.if_set(Field::Processed, event.processed);
  writer.if_set(Field::Loadavg, event.loadavg);
  writer.if_set(Field::SwIdent, event.sw_ident);
  writer.if_set(Field::SwVer, event.sw_ver);
  writer.if_set(Field::SwSys, event.sw_sys);
  writer.if_set(Field::MetricsAddress, event.metrics_address);
  writer.if_set(Field::Slots, event.slots);
  writer.if_set(Field::Queues, event.queues);
  writer.if_set(Field::Stuck, event.stuck);
  writer.close();
}

}  // namespace

std::string encode_events(std::span<const Event> events) {
  std::string out{'['};
  for (const Event& event : events) {
    if (out.size() > 1) out += ", ";
    std::visit([&](const auto& one) { append(out, one); }, event);
  }
  return out += ']';
}

std::string encode_event(const Event& event) {
  std::string out;
  std::visit([&](const auto& one) { append(out, one); }, event);
  return out;
}

}  // namespace umbel::celery
