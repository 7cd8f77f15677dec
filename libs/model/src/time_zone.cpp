#include <date/tz.h>

#include <exception>
#include <vector>

#include "umbel/base/text.hpp"
#include "umbel/model/cron.hpp"

namespace umbel {
namespace {

constexpr std::string_view kUtc = "UTC";

const date::time_zone& zone_of(const void* zone) {
  return *static_cast<const date::time_zone*>(zone);
}

std::string suggestion(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& zone : date::get_tzdb().zones) names.push_back(zone.name());
  const auto near = nearest(name, names);
  return near ? "; did you mean '" + *near + "'?" : "";
}

}  // namespace

TimeZone TimeZone::utc() {
  TimeZone zone;
  zone.name_ = kUtc;
  return zone;
}

Result<TimeZone> TimeZone::parse(std::string_view name) {
  if (name == kUtc) return utc();
  try {
    static_cast<void>(date::get_tzdb());
  } catch (const std::exception&) {
    return unavailable("time zone '" + std::string{name} +
                       "': this system has no time zone data (Debian's package tzdata); "
                       "UTC alone works without");
  }
  const Error unknown = invalid("no time zone '" + std::string{name} +
                                "'; allowed are IANA names such as Europe/Berlin");
  try {
    TimeZone zone;
    const auto* const found = date::locate_zone(name);
    // Reads the file now, so that a broken one is refused here.
    static_cast<void>(found->get_info(date::sys_seconds{}));
    zone.zone_ = found;
    zone.name_ = name;
    return zone;
  } catch (const std::exception&) {
    return invalid(unknown.what + suggestion(name));
  }
}

WallTime TimeZone::to_instant(std::chrono::local_time<std::chrono::seconds> local) const {
  const auto since_epoch = local.time_since_epoch();
  if (zone_ == nullptr) return WallTime{since_epoch};
  const auto info = zone_of(zone_).get_info(date::local_seconds{since_epoch});
  if (info.result == date::local_info::nonexistent) return WallTime{info.first.end};
  return WallTime{since_epoch - info.first.offset};
}

std::chrono::local_time<std::chrono::seconds> TimeZone::to_local(WallTime instant) const {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(instant);
  auto since_epoch = seconds.time_since_epoch();
  if (zone_ != nullptr) since_epoch += zone_of(zone_).get_info(seconds).offset;
  return std::chrono::local_time<std::chrono::seconds>{since_epoch};
}

}  // namespace umbel
