// The fields of Celery's events that Umbel knows, and the way from a name on the wire to one of
// them: a perfect hash, since it is taken fifteen times for every event.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace umbel::celery {

enum class Field : std::uint8_t {
  Type,
  Hostname,
  Timestamp,
  Pid,
  Clock,
  Sequence,
  Uuid,
  Name,
  Args,
  Kwargs,
  RootId,
  ParentId,
  Retries,
  Eta,
  Expires,
  Queue,
  Exchange,
  RoutingKey,
  Result,
  Runtime,
  Exception,
  Traceback,
  Terminated,
  Expired,
  Requeue,
  Signum,
  Freq,
  Active,
  Processed,
  Loadavg,
  SwIdent,
  SwVer,
  SwSys,
  MetricsAddress,
  Slots,
  Queues,
  Stuck,
  Unknown
};

inline constexpr std::size_t kFields = static_cast<std::size_t>(Field::Unknown);

// In the order of Field.
inline constexpr std::array<std::string_view, kFields> kFieldNames{
    "type",       "hostname", "timestamp", "pid",           "clock",       "umbel_seq",
    "uuid",       "name",     "args",      "kwargs",        "root_id",     "parent_id",
    "retries",    "eta",      "expires",   "queue",         "exchange",    "routing_key",
    "result",     "runtime",  "exception", "traceback",     "terminated",  "expired",
    "requeue",    "signum",   "freq",      "active",        "processed",   "loadavg",
    "sw_ident",   "sw_ver",   "sw_sys",    "umbel_metrics", "umbel_slots", "umbel_queues",
    "umbel_stuck"};

namespace detail {

inline constexpr std::size_t kBuckets = 128;

constexpr std::size_t field_bucket(std::string_view name) {
  const auto at = [&](std::size_t i) -> std::size_t { return static_cast<unsigned char>(name[i]); };
  return (name.size() + at(0) + at(name.size() - 1) * 69 + at(name.size() / 2)) % kBuckets;
}

consteval std::array<Field, kBuckets> field_buckets() {
  std::array<Field, kBuckets> buckets{};
  buckets.fill(Field::Unknown);
  for (std::size_t i = 0; i < kFields; ++i) {
    Field& bucket = buckets[field_bucket(kFieldNames[i])];
    if (bucket != Field::Unknown) throw "two fields share a bucket: choose other factors";
    bucket = static_cast<Field>(i);
  }
  return buckets;
}

inline constexpr auto kFieldBuckets = field_buckets();

}  // namespace detail

[[nodiscard]] constexpr std::string_view field_name(Field field) {
  return kFieldNames[static_cast<std::size_t>(field)];
}

[[nodiscard]] constexpr Field field_named(std::string_view name) {
  if (name.empty()) return Field::Unknown;
  const Field field = detail::kFieldBuckets[detail::field_bucket(name)];
  return field != Field::Unknown && field_name(field) == name ? field : Field::Unknown;
}

}  // namespace umbel::celery
